/** The chart of the state machine in a real browser. */
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { event, life } from "../support/history/history.ts";
import { expectAccessible, openPage } from "../support/screen/browserPage.ts";
import { idOf, startInspector } from "../support/screen/inspector.ts";

const begun = life("ended").slice(0, 4);

/** The transitions whose arrows are marked as taken. */
async function taken(page: Page): Promise<string[]> {
  const transitions = await page
    .locator(".arrow.taken")
    .evaluateAll((arrows) => arrows.map((arrow) => arrow.getAttribute("data-transitions") ?? ""));
  return transitions.filter((each) => !each.includes(" ")).sort();
}

describe("the chart", () => {
  it("marks the taken transitions with their events and step numbers", async (context) => {
    const { server, record } = await startInspector();
    const killed = [event("forceKilled", { reason: "destroyRequested" }), event("exited")];
    await record(idOf(1), [...begun, event("stopRequested"), event("destroyRequested"), ...killed]);
    const page = await openPage(context, server.url);
    await page.getByRole("link", { name: "web" }).click();
    await page.locator("#state-exited.lit").waitFor();
    // The stop did not time out, although a timeout would have led to the same state.
    expect(await taken(page)).toEqual([
      "fingerprinted>sandboxed>sandboxed",
      "killing>exited>exited",
      "pending>fingerprinted>fingerprinted",
      "sandboxed>started>running",
    ]);
    const labels = await page.locator(".chart .label").allTextContents();
    expect(labels).toEqual(
      expect.arrayContaining(["4 started", "5 stopRequested", "6 destroyRequested", "8"]),
    );
    expect(labels).toContain("stopTimedOut");
    expect(await page.locator(".label.taken", { hasText: "stopTimedOut" }).count()).toBe(0);
    // At an earlier moment, a transition that was not taken yet has the ordinary colour.
    await page.getByRole("button", { name: /^Stop requested/ }).click();
    await page.locator("#state-stopping.lit").waitFor();
    const colours = await page
      .locator(".arrow:not(.taken) .line")
      .evaluateAll((lines) => lines.map((line) => getComputedStyle(line).stroke));
    expect(new Set(colours).size).toBe(1);
    // The chart has each event's name once.
    const names = labels.map((label) => label.replace(/^[\d, ]+/, "")).filter(Boolean);
    expect(new Set(names).size).toBe(names.length);
  });

  it.for(["light", "dark"] as const)("is readable: %s", async (colorScheme, context) => {
    const { server, record } = await startInspector();
    await record(idOf(1), [...begun, event("recovered"), ...life("killed").slice(4)]);
    const page = await openPage(context, server.url, {
      colorScheme,
      viewport: { width: 1280, height: 1400 },
    });
    await page.getByRole("link", { name: "web" }).click();
    await page.locator("#state-killing.lit").waitFor();
    expect(await page.evaluate(overlaps)).toEqual([]);
    expect(await page.evaluate(lowContrast)).toEqual([]);
    await expectAccessible(page);
  });

  it("has readable text on a phone, and shows the state of the failure", async (context) => {
    const { server, record } = await startInspector();
    await record(idOf(1), life("failed"));
    const page = await openPage(context, server.url, { viewport: { width: 390, height: 844 } });
    await page.getByRole("link", { name: "web" }).click();
    const box = await page.locator("#state-failed.lit").boundingBox();
    expect(box?.x).toBeGreaterThanOrEqual(0);
    expect((box?.x ?? 0) + (box?.width ?? 0)).toBeLessThanOrEqual(390);
    const height = await page
      .locator("#state-failed text")
      .evaluate((text) => text.getBoundingClientRect().height);
    expect(height).toBeGreaterThan(10);
  });

  it("stays in view while the user steps through a long history", async (context) => {
    const { server, record } = await startInspector();
    await record(idOf(1), [...begun, ...Array.from({ length: 40 }, () => event("signalled"))]);
    const page = await openPage(context, server.url, { viewport: { width: 1280, height: 700 } });
    await page.getByRole("link", { name: "web" }).click();
    await page.locator("#state-running.lit").waitFor();
    await page.locator(".story").evaluate((story) => story.scrollIntoView());
    await page.mouse.wheel(0, 150);
    await expect.poll(async () => (await page.locator(".story").boundingBox())?.y).toBeLessThan(0);
    const { y = -1, height = 0 } = (await page.locator(".machine").boundingBox()) ?? {};
    expect(y).toBeGreaterThan(0);
    expect(y + height).toBeLessThanOrEqual(700);
  });
});

/** Runs in the page. Finds labels that overlap each other or a state. */
const overlaps = `(() => {
  const boxes = [...document.querySelectorAll(".chart .label, .chart .node")].map((each) => ({
    name: each.textContent,
    box: each.getBoundingClientRect(),
  }));
  return boxes.flatMap((a, index) => boxes.slice(index + 1).flatMap((b) =>
    a.box.left < b.box.right && b.box.left < a.box.right && a.box.top < b.box.bottom && b.box.top < a.box.bottom
      ? [a.name + " / " + b.name] : []));
})()`;

/** Runs in the page. Finds arrows whose contrast to the card is below 3:1 (WCAG 1.4.11). */
const lowContrast = `(() => {
  const canvas = document.createElement("canvas").getContext("2d");
  const luminance = (color) => {
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((each) => each / 255)
      .map((each) => each <= 0.03928 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const back = luminance(getComputedStyle(document.querySelector(".machine")).backgroundColor);
  return [...document.querySelectorAll(".chart .line")].flatMap((line) => {
    const front = luminance(getComputedStyle(line).stroke);
    const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
    return ratio < 3 ? [ratio] : [];
  });
})()`;
