/** The page in a real browser: Debian's Chromium. Screenshots go to test-results/inspector. */
import type { Page } from "playwright-core";
import { describe, expect, it, onTestFinished } from "vitest";
import { parseBundle } from "../../src/history/replay/bundle/loadBundle.ts";
import { checkLog } from "../../src/history/replay/check/checkLog.ts";
import { InspectorServer } from "../../src/inspector/server/server.ts";
import { recordAllocation, runOf } from "../support/history/allocation.ts";
import { event, type Life, life, requestWith } from "../support/history/history.ts";
import { forged, hostile, hostileEvent, unwritable } from "../support/history/hostileTexts.ts";
import { temporaryFolder } from "../support/host/temporaryFolder.ts";
import { expectAccessible, layoutShift, openPage, screenshot } from "../support/screen/browserPage.ts";
import { idOf, startInspector } from "../support/screen/inspector.ts";

const lit = (page: Page, state: string) => page.locator(`#state-${state}.lit`).waitFor();
const row = (page: Page, text: string) => page.locator(".row", { hasText: text });
const focused = (page: Page) => page.locator(":focus");

describe("the page", () => {
  it("shows new tasks, and says what to do while there are none", async (context) => {
    const { server, record } = await startInspector();
    const page = await openPage(context, server.url);
    await page.getByText("No task has run here yet").waitFor();
    await expectAccessible(page);
    expect(page.url()).not.toContain("token");
    await record(idOf(1), [event("requested")]);
    await row(page, "Requested").waitFor();
    await record(idOf(1), life("ended").slice(1));
    await row(page, "Completed").waitFor();
  });

  it.for([
    ["light", 1280],
    ["dark", 390],
  ] as const)(
    "says why a task ended, and goes back in time by the keyboard: %s, %i wide",
    async ([colorScheme, width], context) => {
      const { server, record } = await startInspector();
      for (const [index, name] of (["ended", "killed", "failed", "lost"] as Life[]).entries())
        await record(idOf(index, name), life(name));
      const page = await openPage(context, server.url, {
        colorScheme,
        viewport: { width, height: 900 },
      });
      await row(page, "Killed: still running").waitFor();
      await expectAccessible(page);
      await page.screenshot({ path: screenshot(`list-${colorScheme}-${width}`) });
      await page.keyboard.press("/");
      await page.keyboard.type("sigint");
      await expect.poll(() => page.locator(".row").count()).toBe(1);
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("Enter");
      await page.getByText("It was still running after the timeout, so it was killed").waitFor();
      // A failed task's page opens at its error.
      await lit(page, "killing");
      await page.keyboard.press("Home");
      await lit(page, "pending");
      for (let step = 0; step < 3; step++) await page.keyboard.press("ArrowRight");
      await lit(page, "running");
      await page.getByText("Event 4: started, then running").waitFor();
      await expectAccessible(page);
      await page.screenshot({ path: screenshot(`task-${colorScheme}-${width}`), fullPage: true });
      expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
      // The search and the chosen task are as before.
      await page.keyboard.press("Escape");
      await expect.poll(() => focused(page).textContent()).toBe("killed");
      expect(await page.getByRole("searchbox").inputValue()).toBe("sigint");
      await page.getByRole("link", { name: "Node" }).click();
      await page.getByText("Start latency").waitFor();
      await expectAccessible(page);
      await page.screenshot({ path: screenshot(`node-${colorScheme}-${width}`) });
      expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
    },
  );

  it("goes back in time by clicks on steps and events, and by dragging along the bar", async (context) => {
    const { server, record } = await startInspector();
    await record(idOf(1), life("killed"));
    const page = await openPage(context, server.url);
    await page.getByRole("link", { name: "web" }).click();
    await page.getByRole("button", { name: "Signal sent" }).click();
    await page.getByText("Event 6: signalled").waitFor();
    await lit(page, "stopping");
    await page.getByRole("button", { name: "Go to event 1", exact: true }).click();
    await lit(page, "pending");
    const bar = page.getByRole("slider", { name: "Moment of the task's history" });
    const { x, y, width, height } = (await bar.boundingBox()) ?? { x: 0, y: 0, width: 0, height: 0 };
    await page.mouse.move(x + 1, y + height / 2);
    await page.mouse.down();
    await page.mouse.move(x + width / 2, y + height / 2, { steps: 5 });
    const between = Number(await bar.getAttribute("aria-valuenow"));
    expect(between).toBeGreaterThan(1);
    expect(between).toBeLessThan(11);
    await page.mouse.move(x + width - 1, y + height / 2, { steps: 5 });
    await page.mouse.up();
    await lit(page, "destroyed");
    // After the drag, moving the mouse has no effect.
    await page.mouse.move(x, y + height / 2);
    expect(Number(await bar.getAttribute("aria-valuenow"))).toBeGreaterThanOrEqual(10);
  });

  it("follows a task's newest event, unless the user looks at an earlier one", async (context) => {
    const { server, record } = await startInspector();
    const [first, ...rest] = life("ended");
    await record(idOf(1), first ? [first] : []);
    const page = await openPage(context, server.url);
    await page.getByRole("link", { name: "web" }).click();
    await lit(page, "pending");
    await record(idOf(1), rest.slice(0, 3));
    await lit(page, "running");
    await page.keyboard.press("Home");
    await lit(page, "pending");
    await record(idOf(1), rest.slice(3));
    await page.getByText("Step 1 of 6").waitFor();
    await lit(page, "pending");
  });

  it("has every choice in its address, which survives a reload and can be sent to others", async (context) => {
    const { server, record } = await startInspector();
    await record(idOf(1, "first"), life("killed"));
    await record(idOf(2, "second"), life("ended"));
    const page = await openPage(context, server.url);
    await page.getByRole("searchbox").fill("sigint");
    await page.getByText("1 of 2").waitFor();
    await expect.poll(() => page.url()).toMatch(/#\/\?search=sigint$/);
    await page.reload();
    await page.getByText("1 of 2").waitFor();
    await page.getByRole("link", { name: "first" }).click();
    await lit(page, "killing");
    await page.getByRole("button", { name: "Signal sent" }).click();
    await expect.poll(() => page.url()).toMatch(/\?event=6$/);
    await page.reload();
    await page.getByText("Event 6: signalled").waitFor();
    // Another person needs the link with the token.
    const other = await openPage(context, `${server.url}${new URL(page.url()).hash}`);
    await other.getByText("Event 6: signalled").waitFor();
    await page.goBack();
    await page.getByText("1 of 2").waitFor();
    await page.goto(new URL("#/nowhere", page.url()).href);
    await page.getByText("There is no such page").waitFor();
    await expectAccessible(page);
  });

  it("shows names as text, even names that would reverse the direction of the text", async (context) => {
    const { server, record } = await startInspector();
    const types = ["requested", "fingerprinted", "sandboxed", "started", "recovered", "lost"] as const;
    await record(`1/${hostile}/0`, types.map(hostileEvent));
    const page = await openPage(context, server.url);
    const shown = async () => {
      const attributes =
        "[...document.querySelectorAll('*')].flatMap((each) => [each.title, each.ariaLabel])";
      return `${await page.evaluate(`[document.title, document.body.textContent, ...${attributes}].join("")`)}`;
    };
    await row(page, forged).waitFor();
    expect(await shown()).toContain("␛[2J");
    expect(await shown()).not.toMatch(unwritable);
    await page.locator(".row a").click();
    await lit(page, "lost");
    await page.getByText("Launch plan").waitFor();
    expect(await shown()).not.toMatch(unwritable);
  });

  it("finds tasks by job, user, event and outcome, sorts by any column, and has these choices in the address", async (context) => {
    const { server, record } = await startInspector();
    for (const [number, name] of (["ended", "killed", "failed", "lost", "stopped"] as Life[]).entries()) {
      const [, ...rest] = life(name);
      await record(idOf(number, name), [event("requested", { jobId: `job${number % 2}` }), ...rest]);
    }
    const page = await openPage(context, server.url);
    const names = () => page.locator(".row a").allTextContents();
    await page.getByText("5 of 5").waitFor();
    await page
      .getByRole("button", { name: "Sort by task" })
      .or(page.getByTitle("Sort by task"))
      .first()
      .click();
    expect(await names()).toEqual(["ended", "failed", "killed", "lost", "stopped"]);
    await page.getByTitle("Sort by task").click();
    await expect.poll(names).toEqual(["stopped", "lost", "killed", "failed", "ended"]);
    await page.getByLabel("Job").selectOption("job1");
    await expect.poll(names).toEqual(["lost", "killed"]);
    await page.getByLabel("Event").selectOption("stopTimedOut");
    await expect.poll(names).toEqual(["killed"]);
    await expectAccessible(page);
    await expect.poll(() => page.url()).toMatch(/#\/\?sort=-task&job=job1&event=stopTimedOut$/);
    await page.reload();
    await page.getByText("1 of 5").waitFor();
    await page.getByLabel("Job").selectOption("");
    await page.getByLabel("Event").selectOption("");
    await page.getByRole("button", { name: "never started 1" }).click();
    await expect.poll(names).toEqual(["failed"]);
  });

  it("groups failures by their cause, and leads to the tasks of each", async (context) => {
    const { server, record } = await startInspector();
    const missing = { code: "COMMAND_NOT_FOUND", failed: { call: "stat", path: "/usr/local/bin/web" } };
    for (let number = 0; number < 37; number++) {
      await record(idOf(number), [event("requested"), event("startFailed", missing), event("destroyed")]);
    }
    await record(idOf(37, "other"), life("killed"));
    await record(idOf(38, "fine"), life("ended"));
    const page = await openPage(context, server.url);
    await page.getByRole("link", { name: "Failures" }).click();
    const [first] = await page.locator(".failures tbody tr").allTextContents();
    expect(first).toMatch(/^37 ×COMMAND_NOT_FOUND \/usr\/local\/bin\/web/);
    await expectAccessible(page);
    await page.getByRole("link", { name: "COMMAND_NOT_FOUND" }).click();
    await page.getByText("37 of 39").waitFor();
    await page.getByTitle("Show tasks of every cause").click();
    await page.getByText("39 of 39").waitFor();
  });

  it("searches the events of all tasks, and leads to each", async (context) => {
    const { server, record } = await startInspector();
    for (let number = 0; number < 300; number++) await record(idOf(number, `task${number}`), life("ended"));
    await record(idOf(300, "stubborn"), life("killed"));
    await record(idOf(301, "secret"), [requestWith({ args: ["correct-horse"] })]);
    const page = await openPage(context, server.url);
    await page.getByRole("link", { name: "Events" }).click();
    await page.getByText("Enter words or choose a type").waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("SIGKILL delivered");
    await page.getByText("SIGKILL delivered: it did not stop in time").waitFor();
    expect(await page.locator(".found tbody tr").count()).toBe(1);
    await expectAccessible(page);
    await expect.poll(() => page.url()).toMatch(/#\/events\?words=SIGKILL\+delivered$/);
    await page.reload();
    await page.getByRole("link", { name: "Killed [8]" }).click();
    await page.getByText("Event 8: forceKilled").waitFor();
    await page.goBack();
    await page.getByRole("searchbox").fill("");
    await page.getByLabel("Event", { exact: true }).selectOption("exited");
    await page.getByRole("button", { name: "Search further" }).click();
    await expect.poll(() => page.locator(".found tbody tr").count()).toBe(301);
    // Masked text cannot be found.
    await page.getByLabel("Event", { exact: true }).selectOption("");
    await page.getByRole("searchbox").fill("correct-horse");
    await page.getByText("No event has these words").waitFor();
  });

  it("keeps the focus in the list, however far the keys go", async (context) => {
    const { server, record } = await startInspector();
    await Promise.all(
      Array.from({ length: 300 }, (_, number) => record(idOf(number, `task${number}`), life("ended"))),
    );
    const page = await openPage(context, server.url);
    await page.getByText("300 of 300").waitFor();
    await page.locator(".row a").first().focus();
    await page.keyboard.press("End");
    await expect
      .poll(() => focused(page).getAttribute("href"))
      .toBe(await page.locator(".row a").last().getAttribute("href"));
    await page.keyboard.press("Home");
    await expect
      .poll(() => focused(page).getAttribute("href"))
      .toBe(await page.locator(".row a").first().getAttribute("href"));
    // The same after scrolling with the mouse.
    await page.mouse.move(400, 400);
    await page.mouse.wheel(0, 5_000);
    await expect.poll(() => focused(page).getAttribute("class")).toBe("rows");
    await page.keyboard.press("ArrowDown");
    await expect.poll(() => focused(page).getAttribute("href")).toMatch(/task/);
  });

  it("hides no row behind a banner", async (context) => {
    const { server, record } = await startInspector();
    for (let number = 0; number < 40; number++) await record(idOf(number), life("ended").slice(0, 4));
    const page = await openPage(context, server.url);
    await page.getByText("No plugin is running").waitFor();
    await page.locator(".row a").first().focus();
    await page.keyboard.press("End");
    const bottomOf = async (selector: string) => {
      const { y = 0, height = 0 } = (await page.locator(selector).last().boundingBox()) ?? {};
      return y + height;
    };
    const banner = await page.locator(".banners").boundingBox();
    await expect.poll(() => bottomOf(".row")).toBeLessThanOrEqual(banner?.y ?? 0);
  });

  it("has one row for the runs of a task, which opens by a click and by keys", async (context) => {
    const { server, record } = await startInspector();
    await recordAllocation(record, { begin: Date.now() - 3_600_000, failures: 36 });
    const page = await openPage(context, server.url);
    await page.getByText("40 of 40").waitFor();
    const outcomes = () => page.locator(".row .outcome").allTextContents();
    const folded = ["Running", expect.stringMatching(/^Never started/), "Running, taken over once"];
    expect(await outcomes()).toEqual(folded);
    const button = page.getByRole("button", { name: "38 runs of web" });
    expect(await button.getAttribute("title")).toMatch(/^38 runs, the first [\d.]+ \w+ ago$/);
    await button.click();
    await expect.poll(() => page.locator(".row.inside").count()).toBeGreaterThan(9);
    expect((await outcomes()).slice(0, 3)).toEqual([
      "Running",
      expect.stringMatching(/^Killed/),
      expect.stringMatching(/^Failed with exit code 1/),
    ]);
    await expectAccessible(page);
    // The list is as it was when somebody returns to it.
    await page.locator(".row.inside a").first().click();
    await lit(page, "killing");
    await page.goBack();
    await page.locator(".row.inside").first().waitFor();
    await page.locator(".row a").first().focus();
    await page.keyboard.press("ArrowLeft");
    await expect.poll(outcomes).toEqual(folded);
    await page.keyboard.press("ArrowRight");
    await page.locator(".row.inside").first().waitFor();
    // The filters look at runs: the newest of those that match stands for its task.
    await page.getByRole("button", { name: "failed 36" }).click();
    await page.getByRole("button", { name: "36 runs of web" }).waitFor();
  });

  it("leads from a failed run to the last good one, with which it is compared", async (context) => {
    const { server, record } = await startInspector();
    const begin = Date.now() - 3_600_000;
    const at = (second: number, events: ReturnType<typeof life>) =>
      events.map((each) => ({ ...each, time: begin + second * 1_000 }));
    const ended = (exitCode: number) => [...life("ended").slice(0, 4), event("exited", { exitCode })];
    await record(runOf("web", 1), at(0, ended(0)));
    await record(runOf("web", 2), at(60, ended(1)));
    const page = await openPage(context, server.url);
    await page.goto(new URL(`#/task/${encodeURIComponent(runOf("web", 2))}`, page.url()).href);
    await page.getByRole("link", { name: "last good run" }).click();
    await page.getByText("Completed").first().waitFor();
    expect(page.url()).toContain(encodeURIComponent(runOf("web", 1)));
    expect(await page.getByRole("link", { name: "last good run" }).count()).toBe(0);
  });

  it("copies verifiable bundles", async (context) => {
    const { server, record } = await startInspector();
    await record(idOf(1), life("ended"));
    const permissions = ["clipboard-read", "clipboard-write"];
    const page = await openPage(context, server.url, { permissions });
    await page.getByRole("link", { name: "web" }).click();
    await page.getByRole("button", { name: "Bundle", exact: true }).click();
    await page.getByText("Bundle copied").waitFor();
    const { reader } = parseBundle((await page.evaluate("navigator.clipboard.readText()")) as string, "");
    expect(checkLog(reader)).toMatchObject({ streams: 1, events: 6, findings: [] });
    await page.getByRole("button", { name: "Mermaid", exact: true }).click();
    await page.getByText("Mermaid copied").waitFor();
    expect(await page.evaluate("navigator.clipboard.readText()")).toMatch(/^sequenceDiagram/);
  });

  it("draws only the visible rows of 2,000 tasks, finds any task, and does not scroll while tasks are added", async (context) => {
    const { server, record } = await startInspector();
    const adding = Array.from({ length: 2_000 }, (_, number) =>
      record(idOf(number, `task${number}`), life("failed")),
    );
    await Promise.all(adding);
    const page = await openPage(context, server.url);
    await page.getByText("2,000 of 2,000").waitFor();
    expect(await page.locator(".row").count()).toBeLessThan(60);
    await page.mouse.move(400, 400);
    await page.mouse.wheel(0, 20_000);
    const place = () => page.locator(".row", { hasText: "task1490" }).boundingBox();
    const before = await place();
    expect(before).not.toBe(null);
    for (let number = 2_000; number < 2_010; number++)
      await record(idOf(number, `task${number}`), life("ended"));
    await page.getByText("2,010 of 2,010").waitFor();
    expect(await place()).toEqual(before);
    await page.keyboard.press("/");
    await page.keyboard.type("task1234");
    await page.getByText("1 of 2,010").waitFor();
  });

  it("has no layout shift while it loads and while tasks arrive", async (context) => {
    const { server, record } = await startInspector();
    for (let number = 0; number < 20; number++) await record(idOf(number), life("ended"));
    const page = await openPage(context, server.url);
    await page.getByText("20 of 20").waitFor();
    expect(await layoutShift(page)).toBe(0);
    const address = await page.getByRole("link", { name: "web" }).first().getAttribute("href");
    await page.goto(new URL(address ?? "", page.url()).href);
    await page.reload();
    await lit(page, "destroyed");
    expect(await layoutShift(page)).toBeLessThan(0.01);
  });

  it("says that the inspector has ended, and that another one does not accept the page", async (context) => {
    const { server, record } = await startInspector();
    await record(idOf(1), life("ended"));
    const page = await openPage(context, server.url, {}, /Failed to load resource/);
    await row(page, "Completed").waitFor();
    const options = { path: temporaryFolder(), host: "127.0.0.1", port: Number(new URL(server.url).port) };
    await server.close();
    await page.getByText("The inspector does not answer").waitFor();
    const other = await InspectorServer.start(options);
    onTestFinished(() => other.close());
    await page.getByText("The inspector refused this page").waitFor();
    await row(page, "Completed").waitFor();
  });

  it("folds the thousands of checks of a healthy task", async (context) => {
    const { server, record } = await startInspector();
    const checks = Array.from({ length: 1_000 }, (_, index) => [
      event("execStarted", { exec: index + 1 }),
      event("execExited", { exec: index + 1 }),
    ]);
    await record(idOf(1), [...life("ended").slice(0, 4), ...checks.flat()]);
    const page = await openPage(context, server.url);
    await page.getByRole("link", { name: "web" }).click();
    await page.getByText("Command started ×1,000, the last: command 1000: exit code 0").waitFor();
    await page.getByText("Step 2,004 of 2,004").waitFor();
    expect(await page.locator(".step").count()).toBeLessThan(20);
    const fold = page.getByRole("button", { name: "[5…2004]" });
    expect(await fold.getAttribute("aria-expanded")).toBe("false");
    await fold.click();
    await page.locator(".step", { hasText: "command 1: /bin/sh" }).waitFor();
    expect(await page.locator(".step").count()).toBeLessThan(80);
    await expectAccessible(page);
    // The steps have their own scroll area, and the server sends the texts of the visible ones.
    const steps = page.getByRole("region", { name: "Steps" });
    await steps.evaluate((place) => place.scrollTo(0, 29_000));
    await page.locator(".step", { hasText: "command 480: /bin/sh" }).waitFor();
    await page.locator(".step", { hasText: "command 480: /bin/sh" }).getByRole("button").click();
    await page.getByText(/Event 96\d: exec/).waitFor();
    await expect.poll(() => page.url()).toMatch(/open=5&event=96\d$/);
    await page.reload();
    await page.locator(".step.current", { hasText: "command 480: /bin/sh" }).waitFor();
    // The list follows the end again, whatever happened meanwhile.
    await page.keyboard.press("Home");
    await page.getByRole("button", { name: "[5…2004]" }).click();
    await page.keyboard.press("End");
    await record(idOf(1), [event("execStarted", { exec: 1_001 }), event("execExited", { exec: 1_001 })]);
    await page.getByText("Step 2,006 of 2,006").waitFor();
    await page.getByText("Command started ×1,001, the last: command 1001: exit code 0").waitFor();
  });

  it("keeps the focus on a button at the last moment", async (context) => {
    const { server, record } = await startInspector();
    await record(idOf(1), life("ended"));
    const page = await openPage(context, server.url);
    await page.getByRole("link", { name: "web" }).click();
    const back = page.getByRole("button", { name: "First step" });
    await back.focus();
    await page.keyboard.press("Enter");
    await lit(page, "pending");
    expect(await focused(page).getAttribute("aria-label")).toBe("First step");
    expect(await back.getAttribute("aria-disabled")).toBe("true");
  });
});
