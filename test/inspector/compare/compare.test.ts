/** Comparisons and what-ifs on the page. Screenshots go to test-results/inspector. */
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import type { DiffView, WhatIfView } from "../../../src/inspector/views/diffView.ts";
import { lifeFrom, recordAllocation, runOf } from "../../support/history/allocation.ts";
import { life, requestWith } from "../../support/history/history.ts";
import { eventually } from "../../support/host/eventually.ts";
import { expectAccessible, openPage, screenshot } from "../../support/screen/browserPage.ts";
import { idOf, startInspector } from "../../support/screen/inspector.ts";

const at = (page: Page, fragment: string) => page.goto(new URL(fragment, page.url()).href);
const noSidewaysScroll = (page: Page) =>
  expect(page.evaluate("document.documentElement.scrollWidth <= innerWidth")).resolves.toBe(true);
const past = { begin: Date.now() - 3_600_000, failures: 2 };
const taskPage = `#/task/${encodeURIComponent(runOf("web", 3))}`;

describe("the API", () => {
  it("compares masked fields without showing them", async () => {
    const { record, ask } = await startInspector();
    for (const [number, secret] of ["first", "second"].entries()) {
      await record(idOf(number), [requestWith({ args: [`--token=${secret}`] }), ...life("ended").slice(1)]);
    }
    await eventually(async () => expect((await ask("/api/tasks")).body).toContain(idOf(1)));
    const { body } = await ask(`/api/diff?a=${encodeURIComponent(idOf(0))}&b=${encodeURIComponent(idOf(1))}`);
    const view = JSON.parse(body) as DiffView;
    expect(view.same).toBe(false);
    expect(view.rows[0]?.changes).toContainEqual({ path: "options.args", left: "…", right: null });
    expect(body).not.toMatch(/first"|second/);
    expect((await ask("/api/diff?a=x&b=y")).status).toBe(404);
  });

  it("says what is wrong with invalid edits", async () => {
    const { record, ask } = await startInspector();
    await record(idOf(1), life("killed"));
    await eventually(async () => expect((await ask("/api/tasks")).body).toContain("destroyed"));
    const whatIf = (edits: string) =>
      ask(`/api/whatif?id=${encodeURIComponent(idOf(1))}&edits=${encodeURIComponent(edits)}`);
    const view = JSON.parse((await whatIf('[{"drop":7},{"drop":8}]')).body) as WhatIfView;
    expect(view.text).toBe("As recorded up to event 6; the task still ends in destroyed.");
    for (const edits of ["", "[]", "7", '[{"drop":99}]', '[{"insert":1,"type":"nothing","data":{}}]']) {
      expect((await whatIf(edits)).status, edits).toBe(400);
    }
  });
});

describe("a comparison", () => {
  it.for([
    ["dark", 390],
    ["light", 1920],
  ] as const)(
    "shows where two runs diverge and what differs: %s, %i wide",
    async ([colorScheme, width], context) => {
      const { server, record } = await startInspector();
      await recordAllocation(record, past);
      const page = await openPage(context, server.url, { colorScheme, viewport: { width, height: 900 } });
      await at(page, taskPage);
      await page.getByRole("link", { name: "compare with the run before" }).click();
      await page.getByText("They diverge after started").waitFor();
      await page.locator(".pair.only-right", { hasText: "Stop requested" }).waitFor();
      await page.locator(".pair.differs", { hasText: "exitCode" }).waitFor();
      await expectAccessible(page);
      await page.screenshot({ path: screenshot(`compare-${colorScheme}-${width}`), fullPage: true });
      await noSidewaysScroll(page);
      await page.getByLabel("Find a run for side A").fill("log");
      await page.locator(".offered button").first().click();
      await page.getByText("COMMAND_NOT_FOUND").first().waitFor();
      await expect.poll(() => page.url()).toContain("a=6f2d4a9e-0c57-4d2b-8f1e-3b9a7c5d1e20%2Flog");
    },
  );
});

describe("a what-if", () => {
  it.for([
    ["light", 390],
    ["dark", 1280],
  ] as const)(
    "works on the page, and is kept in the address: %s, %i wide",
    async ([colorScheme, width], context) => {
      const { server, record } = await startInspector();
      await recordAllocation(record, past);
      const page = await openPage(context, server.url, { colorScheme, viewport: { width, height: 900 } });
      await at(page, `${taskPage}?event=9`);
      await page.getByRole("button", { name: "Remove it" }).click();
      await page
        .getByText("As recorded up to event 8; the task ends in killing instead of destroyed.")
        .waitFor();
      await page.locator(".whatif .pair.only-left", { hasText: "exit" }).waitFor();
      await expectAccessible(page);
      await page.locator(".whatif").screenshot({ path: screenshot(`whatIf-${colorScheme}-${width}`) });
      await noSidewaysScroll(page);
      await expect.poll(() => page.url()).toContain("edits=");
      await page.reload();
      await page.getByText("As recorded up to event 8").waitFor();
      await page.getByRole("button", { name: "undo" }).click();
      await expect.poll(() => page.url()).not.toContain("edits=");
      await page.getByRole("button", { name: "Change it…" }).click();
      const form = page.getByLabel("Data of the event, as JSON");
      await form.fill("{");
      await page.getByRole("button", { name: "Change it", exact: true }).click();
      await page.getByText("This is not JSON").waitFor();
      await form.fill('{"oomKilled": true}');
      await page.getByRole("button", { name: "Change it", exact: true }).click();
      await page.locator(".whatif .change", { hasText: "oomKilled" }).waitFor();
      await page.getByRole("button", { name: "undo" }).click();
      await page.getByRole("button", { name: "Insert an event after it…" }).click();
      await page.getByLabel("Type").fill("lost");
      await form.fill('{"reason": "the host was rebooted"}');
      await page.getByRole("button", { name: "Insert it" }).click();
      await page.locator(".whatif .pair.only-right", { hasText: "the machine refuses it" }).waitFor();
    },
  );

  it("accepts only existing events, and reports wrong ones", async (context) => {
    const { server, record } = await startInspector();
    await record(runOf("web", 1), lifeFrom(Date.now(), [["requested", 0]]));
    const page = await openPage(context, server.url, {}, /400/);
    await at(page, `#/task/${encodeURIComponent(runOf("web", 1))}?edits=[{"drop":9}]`);
    await page.getByText("the last event is number 1").waitFor();
  });
});
