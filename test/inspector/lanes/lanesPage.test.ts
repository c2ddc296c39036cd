/** An allocation's lanes in a real browser. Screenshots go to test-results/inspector. */
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { allocation, lifeFrom, recordAllocation, runOf } from "../../support/history/allocation.ts";
import { expectAccessible, openPage, screenshot } from "../../support/screen/browserPage.ts";
import { startInspector } from "../../support/screen/inspector.ts";

const minute = 60_000;
/** All failures are more than half an hour old. Two tasks still run. */
const past = { begin: Date.now() - 90 * minute, failures: 37 };

const noSidewaysScroll = (page: Page) =>
  expect(page.evaluate("document.documentElement.scrollWidth <= innerWidth")).resolves.toBe(true);
const at = (page: Page, fragment: string) => page.goto(new URL(fragment, page.url()).href);

describe("an allocation's lanes", () => {
  it.for([
    ["light", 390],
    ["dark", 1280],
  ] as const)("show its tasks on one axis of time: %s, %i wide", async ([colorScheme, width], context) => {
    const { server, record } = await startInspector();
    await recordAllocation(record, past);
    const page = await openPage(context, server.url, { colorScheme, viewport: { width, height: 900 } });
    await page.getByRole("button", { name: "39 runs of web" }).waitFor();
    await at(page, `#/allocation/${allocation}`);
    await page.getByText("39 runs: 37 × Failed with exit code 1").waitFor();
    await expectAccessible(page);
    await page.screenshot({ path: screenshot(`lanes-${colorScheme}-${width}`) });
    await noSidewaysScroll(page);
    await at(page, `#/task/${encodeURIComponent(runOf("web", 38))}`);
    await page.getByText("Run 38 of 39").waitFor();
    await expectAccessible(page);
    await page.screenshot({ path: screenshot(`lanesOfTask-${colorScheme}-${width}`) });
    await noSidewaysScroll(page);
  });

  it("are zoomed by a click on folded runs, by keys and on the overview, and the address keeps the window", async (context) => {
    const { server, record } = await startInspector();
    await recordAllocation(record, past);
    const page = await openPage(context, server.url);
    await at(page, `#/allocation/${allocation}`);
    const folded = page.locator(".lanes .folded");
    await page.getByText("39 errors").waitFor();
    expect(await folded.getAttribute("aria-label")).toContain("web: 37 runs: 37 × Failed with exit code 1");
    await folded.click();
    // Now every run is drawn.
    await expect.poll(() => page.locator(".lanes .block.bad a[aria-label^=web]").count()).toBe(38);
    await expect.poll(() => page.url()).toMatch(/from=\d+&to=\d+/);
    const window = page.url();
    await page.reload();
    await expect.poll(() => page.locator(".lanes .block.bad a[aria-label^=web]").count()).toBe(38);
    expect(page.url()).toBe(window);
    await page.keyboard.press("0");
    await expect.poll(() => page.url()).not.toContain("from=");
    await page.keyboard.press("+");
    await expect.poll(() => page.url()).toContain("from=");
    await page.keyboard.press("-");
    await expect.poll(() => page.url()).not.toContain("from=");
    const strip = page.locator(".overview");
    const { x, y, width, height } = (await strip.boundingBox()) ?? { x: 0, y: 0, width: 0, height: 0 };
    await page.mouse.move(x + width / 2, y + height / 2);
    await page.mouse.down();
    await page.mouse.move(x + width * 0.75, y + height / 2, { steps: 4 });
    await page.mouse.up();
    const begin = page.getByRole("slider", { name: "Start of the shown time" });
    const begun = Number(await begin.getAttribute("aria-valuenow"));
    const [min, max] = [
      Number(await begin.getAttribute("aria-valuemin")),
      Number(await begin.getAttribute("aria-valuemax")),
    ];
    expect((begun - min) / (max - min)).toBeCloseTo(0.5, 1);
    await begin.focus();
    await page.keyboard.press("ArrowLeft");
    await expect.poll(async () => Number(await begin.getAttribute("aria-valuenow"))).toBeLessThan(begun);
  });

  it("lead from error to error, through all tasks, and to the event of each", async (context) => {
    const { server, record } = await startInspector();
    await recordAllocation(record, { ...past, failures: 2 });
    const page = await openPage(context, server.url);
    await at(page, `#/allocation/${allocation}`);
    await page.getByText("4 errors").waitFor();
    await page.keyboard.press("e");
    await page.locator(".error-line", { hasText: "Start failed" }).waitFor();
    expect(await page.locator(".lanes .pointed-line").count()).toBeGreaterThan(0);
    await page.keyboard.press("e");
    await page.getByText("2 of 4").waitFor();
    // The selected error is in the address, and the keys continue from there.
    await expect.poll(() => page.url()).toMatch(/error=5\./);
    await page.reload();
    await page.getByText("2 of 4").waitFor();
    await page.locator(".error-line", { hasText: "exit code 1" }).waitFor();
    await page.keyboard.press("E");
    await page.getByText("1 of 4").waitFor();
    // Going back from the first error leads to the last error.
    await page.keyboard.press("E");
    await page.getByText("4 of 4").waitFor();
    await page.keyboard.press("e");
    await page.getByText("1 of 4").waitFor();
    await page.locator(".error-line a").click();
    await page.locator("#state-failed.lit").waitFor();
    await expect.poll(() => page.url()).toContain("event=3");
  });

  it("are zoomed around the selected error", async (context) => {
    const { server, record } = await startInspector();
    await recordAllocation(record, past);
    const page = await openPage(context, server.url);
    await at(page, `#/allocation/${allocation}`);
    await page.getByText("39 errors").waitFor();
    await page.keyboard.press("e");
    for (let zoom = 0; zoom < 5; zoom++) await page.keyboard.press("+");
    await expect.poll(() => page.url()).toContain("from=");
    const { x = 0, width = 0 } = (await page.locator(".lanes").boundingBox()) ?? {};
    const line = (await page.locator(".lanes .pointed-line").first().boundingBox())?.x ?? 0;
    expect(line).toBeGreaterThan(x);
    expect(line).toBeLessThan(x + width);
    // The button keeps the focus, although its own use has disabled it.
    const whole = page.getByTitle("The whole time (0)");
    await whole.focus();
    await page.keyboard.press("Enter");
    await expect.poll(() => whole.getAttribute("aria-disabled")).toBe("true");
    expect(await page.locator(":focus").getAttribute("title")).toBe("The whole time (0)");
  });

  it.for([390, 1280])("have labels of time that do not overlap: %i wide", async (width, context) => {
    const { server, record } = await startInspector();
    await recordAllocation(record, past);
    const page = await openPage(context, server.url, { viewport: { width, height: 900 } });
    await at(page, `#/allocation/${allocation}`);
    await page.getByText("39 errors").waitFor();
    for (let zoom = 0; zoom < 12; zoom++) {
      const boxes = (await page.evaluate(
        "[...document.querySelectorAll('.axis text')].map((each) => each.getBBox()).map(({ x, width }) => [x, x + width])",
      )) as [number, number][];
      const room = (await page.locator(".lanes").boundingBox())?.width ?? 0;
      expect(boxes.length).toBeGreaterThan(0);
      for (const [index, [from, to]] of boxes.entries()) {
        expect(from).toBeGreaterThanOrEqual(boxes[index - 1]?.[1] ?? 0);
        expect(to).toBeLessThanOrEqual(room);
      }
      await page.keyboard.press("+");
    }
  });

  it("are updated with tasks, and link a run with its predecessor, successor and siblings", async (context) => {
    const { server, record } = await startInspector();
    await recordAllocation(record, { ...past, failures: 2 });
    const page = await openPage(context, server.url);
    await at(page, `#/task/${encodeURIComponent(runOf("web", 3))}`);
    await page.getByText("Run 3 of 4").waitFor();
    await page.getByRole("link", { name: "the run after" }).click();
    await page.getByText("Run 4 of 4").waitFor();
    const live = page.locator(".lanes .block.current");
    await expect.poll(() => live.textContent()).toContain("Running");
    const exited = lifeFrom(Date.now(), [["exited", 0, { exitCode: 3 }]]);
    await record(runOf("web", 4), exited);
    await expect.poll(() => live.textContent()).toContain("Failed with exit code 3");
    await page.getByRole("link", { name: "db", exact: true }).click();
    await page.getByText("Run 1 of 1").waitFor();
  });
});
