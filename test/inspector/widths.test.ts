/** What has to fit on the page in each width: columns, times, and the parts of the header. */
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { toTaskId } from "../../src/base/taskId.ts";
import { appendUsage } from "../../src/store/usage/usageFile.ts";
import { lifeFrom } from "../support/history/allocation.ts";
import { allLives, life } from "../support/history/history.ts";
import { usageSample } from "../support/metrics/usage.ts";
import { openPage } from "../support/screen/browserPage.ts";
import { idOf, startInspector } from "../support/screen/inspector.ts";

const begin = Date.now() - 3_600_000;
const task = (id: string) => `#/task/${encodeURIComponent(id)}`;
const missing = idOf(60, "missing");
const missingLife = lifeFrom(begin, [
  ["requested", 0],
  ["fingerprinted", 1],
  ["startFailed", 2, { code: "COMMAND_NOT_FOUND" }],
]);
const slow = idOf(61, "slow");
const slowLife = lifeFrom(begin, [
  ["requested", 0],
  ["fingerprinted", 513],
  ["sandboxed", 737],
  ["started", 993],
]);

/** The texts of elements that are wider than their place. */
function cutTexts(page: Page, selector: string): Promise<string[]> {
  return page
    .locator(selector)
    .evaluateAll((all) =>
      all.filter((each) => each.scrollWidth > each.clientWidth).map((each) => each.textContent),
    );
}

describe("the list", () => {
  it.for([
    [390, 60, []],
    [768, 40, ["Task", "Job", "Outcome", "Ran", "Age"]],
    [1280, 40, ["Task", "Job", "Allocation", "Outcome", "Exit", "CPU", "Memory", "Restarts", "Ran", "Age"]],
    [
      1920,
      40,
      ["Task", "Job", "User", "Allocation", "Outcome", "Exit", "CPU", "Memory", "Restarts", "Ran", "Age"],
    ],
  ] as const)("has as many columns as fit: %i wide", async ([width, rowHeight, columns], context) => {
    const inspected = await startInspector();
    for (const [index, name] of allLives.entries()) await inspected.record(idOf(index, name), life(name));
    await inspected.record(missing, missingLife);
    const page = await openPage(context, inspected.server.url, { viewport: { width, height: 900 } });
    await page.locator(".row").first().waitFor();
    expect(await cutTexts(page, ".row .outcome")).toEqual([]);
    const heads = page.locator(".rows th");
    const shown = await heads.evaluateAll((each) =>
      each.filter((head) => head.checkVisibility()).map((head) => head.textContent),
    );
    expect(shown).toEqual(columns);
    // Each task has one line, or two on a phone, and the list uses nearly the whole width of the window.
    expect((await page.locator(".row").first().boundingBox())?.height).toBe(rowHeight);
    expect((await page.locator(".rows").boundingBox())?.width).toBeGreaterThan(width * 0.92);
    // The chosen part in the header is visible on a phone, too.
    const [links, sign] = [
      await page.locator("nav").boundingBox(),
      await page.locator(".link").boundingBox(),
    ];
    expect(await page.locator("nav").evaluate((nav) => nav.scrollWidth - nav.clientWidth)).toBe(0);
    expect((links?.x ?? 0) + (links?.width ?? 0)).toBeLessThanOrEqual(sign?.x ?? 0);
  });
});

describe("the list in any width", () => {
  it("shows the names of tasks, and what they have on disk", async (context) => {
    const inspected = await startInspector();
    for (const name of ["stubborn", "web-server"]) await inspected.record(idOf(1, name), life("ended"));
    const limited = idOf(1, "one-limited");
    const disk = { limitBytes: 1023 * 2 ** 20, project: 1, sharedProject: 2 };
    await inspected.record(
      limited,
      lifeFrom(begin, [
        ["requested", 0],
        ["fingerprinted", 1],
        ["sandboxed", 2, { disk }],
        ["started", 3],
      ]),
    );
    for (const time of [begin, begin + 1])
      appendUsage(inspected.log, toTaskId(limited), usageSample({ time, ownDiskBytes: 1021.4 * 2 ** 20 }));
    const page = await openPage(context, inspected.server.url);
    await page.getByText("1021 of 1023 MiB").waitFor({ state: "attached" });
    for (let width = 400; width <= 1780; width += 30) {
      await page.setViewportSize({ width, height: 900 });
      expect(await cutTexts(page, ".row .task, .row .disk"), `${width} wide`).toEqual([]);
    }
  });
});

describe("the history", () => {
  it("cuts no time on a phone", async (context) => {
    const inspected = await startInspector();
    await inspected.record(slow, slowLife);
    const page = await openPage(context, inspected.server.url, { viewport: { width: 390, height: 900 } });
    await page.goto(new URL(task(slow), page.url()).href);
    await page.getByText("Sandbox prepared").first().waitFor();
    expect(await cutTexts(page, ".story .number")).toEqual([]);
  });
});
