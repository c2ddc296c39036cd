/** The page's table of a task's permissions, in Debian's Chromium. */
import { describe, expect, it } from "vitest";
import { life } from "../support/history/history.ts";
import { recordObservedRuns } from "../support/history/observedRuns.ts";
import { expectAccessible, openPage, screenshot } from "../support/screen/browserPage.ts";
import { idOf, startInspector } from "../support/screen/inspector.ts";

describe("the page's permissions", () => {
  it.for([
    ["light", 1280],
    ["dark", 390],
  ] as const)("are a table: %s, %i wide", async ([colorScheme, width], context) => {
    const inspected = await startInspector();
    const [first = ""] = await recordObservedRuns(inspected, 2);
    const page = await openPage(context, inspected.server.url, {
      ...{ colorScheme, viewport: { width, height: 900 } },
    });
    await page.goto(new URL(`#/task/${encodeURIComponent(first)}`, page.url()).href);
    const card = page.getByRole("region", { name: "Permissions", exact: true });
    await card.getByText("never used in 2 runs").waitFor();
    await card.getByText("denied 2 times in this run").waitFor();
    await card.getByText("used in 1 of 2 runs, last on 2026-11-01; r:/srv/shop is enough").waitFor();
    await card.getByText("used in 2 observed runs").waitFor();
    expect(await card.locator("tbody tr").count()).toBe(4);
    await expectAccessible(page);
    await page.screenshot({ path: screenshot(`permissions-${colorScheme}-${width}`), fullPage: true });
    expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
  });

  it("are not shown for a task that was never observed", async (context) => {
    const { server, record } = await startInspector();
    await record(idOf(1), life("ended"));
    const page = await openPage(context, server.url);
    await page.getByRole("link", { name: "web" }).click();
    await page.locator("#state-destroyed.lit").waitFor();
    expect(await page.getByText("Permissions").count()).toBe(0);
  });
});
