/** A task's output beside its events, in a real browser. Screenshots go to test-results/inspector. */
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { makeOutput } from "../../support/agent/taskOutput.ts";
import { lifeFrom, runOf } from "../../support/history/allocation.ts";
import { expectAccessible, openPage, screenshot } from "../../support/screen/browserPage.ts";
import { type Inspected, startInspector } from "../../support/screen/inspector.ts";

const second = 1_000;
const web = runOf("web", 2);
const taskPage = `#/task/${encodeURIComponent(web)}`;
const at = (page: Page, fragment: string) => page.goto(new URL(fragment, page.url()).href);
const iso = (time: number) => new Date(time).toISOString();

/** A failed run and the next run, which is still running, with their output in three files. */
async function recordOutput(record: Inspected["record"]) {
  const output = makeOutput();
  const begin = Date.now() - 600 * second;
  const requested = ["requested", 0, output.request] as const;
  const rest = [
    ["fingerprinted", 1],
    ["sandboxed", 3],
    ["started", 9],
  ] as const;
  await record(
    runOf("web", 1),
    lifeFrom(begin, [
      requested,
      ...rest,
      ["exited", 60 * second, { exitCode: 1 }],
      ["destroyed", 60 * second + 3],
    ]),
  );
  const next = begin + 90 * second;
  await record(
    web,
    lifeFrom(next, [requested, ...rest, ["oomSeen", 200 * second], ["stopRequested", 400 * second]]),
  );
  const lines = (from: number, count: number, texts: (index: number) => string) =>
    `${Array.from({ length: count }, (_, index) => `${iso(from + index * 4_000)} ${texts(index)}`).join("\n")}\n`;
  output.write(
    "web.stderr.0",
    lines(begin + second, 14, (index) => `try ${index}: connection refused`),
    begin + 59 * second,
  );
  output.write(
    "web.stderr.1",
    `listening on port 8080\nready\n${lines(next + 20 * second, 60, (index) => `GET /item/${index} 200`)}`,
    next + 300 * second,
  );
  output.write(
    "web.stderr.2",
    `Error: cannot write\n    at save (/srv/app.js:17)\n${iso(next + 399 * second)} retrying\n`,
    next + 405 * second,
  );
  return { output, next };
}

describe("a task's output", () => {
  it.for([
    ["light", 390],
    ["dark", 1280],
  ] as const)("is shown beside its events on request: %s, %i wide", async ([colorScheme, width], context) => {
    const { server, record } = await startInspector();
    await recordOutput(record);
    const page = await openPage(context, server.url, { colorScheme, viewport: { width, height: 900 } });
    const asked: string[] = [];
    page.on("request", (request) => asked.push(request.url()));
    await page.getByText("Asked to stop").waitFor();
    await at(page, taskPage);
    await page.getByText("Run 2 of 2").waitFor();
    await page.getByRole("button", { name: "stderr" }).waitFor();
    expect(asked.filter((url) => url.includes("/api/log"))).toEqual([]);
    await page.getByRole("button", { name: "stderr" }).click();
    await page.getByText("retrying").waitFor();
    await page.getByText("following").waitFor();
    // The other run's output and end are shown, too.
    const among = page.locator(".among");
    await expect
      .poll(() => among.allTextContents())
      .toContainEqual(expect.stringContaining("Another run: Failed"));
    await expectAccessible(page);
    await page.locator(".output").scrollIntoViewIfNeeded();
    await page.locator(".output").screenshot({ path: screenshot(`output-${colorScheme}-${width}`) });
    expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
  });

  it("is followed live, and a click on an event in it selects the event", async (context) => {
    const { server, record } = await startInspector();
    const { output } = await recordOutput(record);
    const page = await openPage(context, server.url);
    await at(page, `${taskPage}?log=stderr`);
    await page.getByText("following").waitFor();
    output.append("web.stderr.2", "one that comes now\n");
    await page.locator(".line", { hasText: "one that comes now" }).locator(".at.seen").waitFor();
    await record(web, lifeFrom(Date.now(), [["exited", 0, { exitCode: 7 }]]));
    await page.locator(".among", { hasText: "exit code 7" }).waitFor();
    output.append("web.stderr.2", "its last words\n");
    await page.getByText("its last words").waitFor();
    const texts = await page.locator(".log .line, .log .among").allTextContents();
    expect(texts.slice(-3).map((text) => text.replace(/^[\d:.]+/, ""))).toEqual([
      "one that comes now",
      expect.stringContaining("exit code 7"),
      "its last words",
    ]);
    await page.locator(".among", { hasText: "Out of memory" }).getByRole("button").click();
    await expect.poll(() => page.url()).toContain("event=5");
    await page.locator(".among.current").waitFor();
  });

  it("is searched completely, and shown from a found line on; the address keeps the search and the line", async (context) => {
    const { server, record } = await startInspector();
    await recordOutput(record);
    const page = await openPage(context, server.url);
    await at(page, `${taskPage}?log=stderr`);
    await page.getByRole("searchbox").fill("TRY 3:");
    await page.keyboard.press("Enter");
    await page.locator(".matches button").click();
    await page.locator(".line.target", { hasText: "try 3: connection refused" }).waitFor();
    await expect.poll(() => page.url()).toMatch(/find=TRY.*line=0/);
    await page.reload();
    await page.locator(".line.target", { hasText: "try 3: connection refused" }).waitFor();
    await page.getByRole("button", { name: "Earlier lines" }).click();
    await page.locator(".line", { hasText: "try 0: connection refused" }).waitFor();
  });

  it("is replaced by a message if it was removed", async (context) => {
    const { server, record } = await startInspector();
    await record(web, lifeFrom(Date.now(), [["requested", 0]]));
    const page = await openPage(context, server.url, {}, /404/);
    await at(page, `${taskPage}?log=stdout`);
    await page.getByText("its output has been removed with its folder").waitFor();
  });
});
