/** What the page shows of failures: the error first, the run's own last lines, causes, and what is new. */
import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { localAllocationId, toTaskId } from "../../src/base/taskId.ts";
import type { LogTail } from "../../src/inspector/views/answers.ts";
import { appendUsage } from "../../src/store/usage/usageFile.ts";
import { makeOutput } from "../support/agent/taskOutput.ts";
import { lifeFrom, runOf } from "../support/history/allocation.ts";
import { life, portInUse } from "../support/history/history.ts";
import { eventually } from "../support/host/eventually.ts";
import { usageSample } from "../support/metrics/usage.ts";
import { expectAccessible, openPage, screenshot } from "../support/screen/browserPage.ts";
import { type Inspected, idOf, startInspector } from "../support/screen/inspector.ts";

const begin = Date.now() - 60_000;

/** A run that fails, ten seconds after its start. @param stderr bytes of earlier runs in the same file */
function failure(
  request: object,
  { at = begin, stderr = 0, exit = { exitCode: 1, cause: portInUse } as object } = {},
) {
  return lifeFrom(at, [
    ["requested", 0, request],
    ["fingerprinted", 1],
    ["sandboxed", 4, { output: { stdout: { file: 0, bytes: 0 }, stderr: { file: 0, bytes: stderr } } }],
    ["started", 9],
    ["exited", 10_000, { endedAt: at + 10_000, ...exit }],
    ["destroyed", 11_001],
  ]);
}

const one = "starting\nlisten tcp :80: bind: address already in use\n";
const two = "starting again\nanother error\n";

/** Two failed runs of a task, whose output is in the same file. */
async function recordTwoRuns({ record, ask }: Inspected): Promise<void> {
  const output = makeOutput();
  output.write("web.stderr.0", one + two);
  await record(runOf("web", 1), failure(output.request));
  await record(runOf("web", 2), failure(output.request, { at: begin + 20_000, stderr: one.length }));
  await eventually(async () => {
    const rows = JSON.parse((await ask("/api/tasks")).body) as { state: string }[];
    expect(rows.map(({ state }) => state)).toEqual(["destroyed", "destroyed"]);
  });
}

const tail = async ({ ask }: Inspected, id: string) =>
  JSON.parse((await ask(`/api/log/tail?id=${encodeURIComponent(id)}`)).body) as LogTail;

describe("the last lines of a run", () => {
  it("are its own, although the runs of a task share their files", async () => {
    const inspected = await startInspector();
    await recordTwoRuns(inspected);
    expect(await tail(inspected, runOf("web", 1))).toEqual({
      stream: "stderr",
      lines: one.trimEnd().split("\n"),
      problem: null,
    });
    expect((await tail(inspected, runOf("web", 2))).lines).toEqual(two.trimEnd().split("\n"));
  });

  it("are those on stdout if there are none on stderr, and at most twelve", async () => {
    const inspected = await startInspector();
    const output = makeOutput();
    const lines = Array.from({ length: 40 }, (_, index) => `line ${index}`);
    output.write("web.stdout.0", `${lines.join("\n")}\n`);
    await inspected.record(idOf(1), failure(output.request));
    await eventually(async () =>
      expect(await tail(inspected, idOf(1))).toEqual({
        stream: "stdout",
        lines: lines.slice(-12),
        problem: null,
      }),
    );
  });

  it("are missing with a reason once the folder is gone", async () => {
    const inspected = await startInspector();
    await inspected.record(idOf(1), failure({}));
    await eventually(async () =>
      expect(await tail(inspected, idOf(1))).toEqual({
        stream: "stderr",
        lines: [],
        problem: "its output has been removed with its folder",
      }),
    );
  });
});

describe("the page of a failed task", () => {
  it.for([
    ["light", 1280],
    ["dark", 390],
  ] as const)(
    "opens at the error, with the run's last lines in view: %s, %i wide",
    async ([colorScheme, width], context) => {
      const inspected = await startInspector();
      await recordTwoRuns(inspected);
      const page = await openPage(context, inspected.server.url, {
        colorScheme,
        viewport: { width, height: 900 },
      });
      await page.goto(new URL(`#/task/${encodeURIComponent(runOf("web", 1))}`, page.url()).href);
      await page.getByText("Event 5: exited").waitFor();
      const lines = page.getByRole("region", { name: "Last lines of its output" });
      expect(await lines.textContent()).toBe(one.trimEnd());
      const { y = 0, height = 0 } = (await lines.boundingBox()) ?? {};
      expect(y + height).toBeLessThan(900);
      await expectAccessible(page);
      await page.screenshot({ path: screenshot(`failed-${colorScheme}-${width}`) });
      expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
      // The choice of the newest event is a choice, too, and survives a reload.
      await page.keyboard.press("End");
      await page.getByText("Event 6: destroyed").waitFor();
      await expect.poll(() => page.url()).toMatch(/\?event=6$/);
      await page.getByRole("button", { name: "with the lines before them" }).click();
      const all = page.getByRole("region", { name: "Lines of the output" });
      await all.getByText("listen tcp :80").waitFor();
      // The driver has written the files, and knows where the next run begins.
      expect(await all.getByText("another error").count()).toBe(0);
    },
  );

  it("names nomad alloc logs only for a task of an agent", async (context) => {
    const { server, record } = await startInspector();
    const local = `${localAllocationId(randomUUID(), 1)}/web/00000000`;
    await record(local, failure({ allocIndex: 1 }));
    await record(idOf(1), failure({}));
    const page = await openPage(context, server.url);
    await page.getByRole("link", { name: "web[1]" }).click();
    await page.getByText("run --keep keeps the folder").waitFor();
    await page.getByRole("heading", { name: "web[1]" }).waitFor();
    expect(await page.getByText("nomad alloc logs").count()).toBe(0);
    await page.goto(new URL(`#/task/${encodeURIComponent(idOf(1))}`, page.url()).href);
    await page.getByText("nomad alloc logs -stderr -tail 00000001 web").waitFor();
  });
});

describe("failures", () => {
  it("of unknown cause are told apart by their jobs, and drawn over time", async (context) => {
    const { server, record } = await startInspector();
    const unknown = { exitCode: 1, cause: null };
    for (const [index, jobId] of ["shop", "bank"].entries()) {
      for (const nth of [0, 1]) {
        await record(idOf(10 * index + nth), failure({ jobId }, { exit: unknown, at: begin + nth * 10_000 }));
      }
    }
    await record(idOf(50), failure({}));
    const page = await openPage(context, server.url, { viewport: { width: 390, height: 900 } });
    await page.goto(new URL("#/failures", page.url()).href);
    await page.getByRole("img", { name: "5 failures" }).waitFor();
    const causes = page.getByRole("region", { name: "Causes" }).getByRole("link");
    const texts = (await causes.allTextContents()).filter((text) => !text.endsWith("ago"));
    expect(texts.toSorted()).toEqual([
      "exit code 1: web of bank",
      "exit code 1: web of shop",
      "port 80 is already in use",
    ]);
    await expectAccessible(page);
    for (const [colorScheme, width] of [
      ["light", 390],
      ["dark", 390],
      ["light", 1280],
      ["dark", 1280],
    ] as const) {
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: screenshot(`failures-${colorScheme}-${width}`) });
    }
  });

  it("that happen from now on are notified, if the person wishes", async (context) => {
    const { server, record } = await startInspector();
    await record(idOf(1), failure({}));
    const page = await openPage(context, server.url);
    // The browser of the tests has no desktop to notify.
    await page.addInitScript({
      content: `
        globalThis.notified = [];
        globalThis.Notification = class {
          static permission = "granted";
          static requestPermission = async () => "granted";
          constructor(title, { body }) { notified.push(title + " / " + body); }
        };`,
    });
    await page.goto(new URL(`?token=${server.access.token}#/failures`, server.url).href);
    await page.reload();
    const notified = () => page.evaluate("notified");
    await page.getByText("1 of 1 tasks").waitFor();
    await record(idOf(2), failure({}));
    await page.getByText("2 of 2 tasks").waitFor();
    expect(await notified()).toEqual([]);
    await page.getByRole("button", { name: "Notify me of new failures" }).click();
    await record(idOf(3), failure({}));
    await expect.poll(notified).toEqual(["web of shop failed / Failed: port 80 is already in use"]);
    await record(idOf(4), life("ended"));
    await page.getByText("3 of 4 tasks").waitFor();
    expect(await notified()).toHaveLength(1);
    await page.getByRole("button", { name: "Notify me of new failures" }).click();
    await record(idOf(5), failure({}));
    await page.getByText("4 of 5 tasks").waitFor();
    expect(await notified()).toHaveLength(1);
  });
});

describe("the list", () => {
  it("shows CPU and memory: now of a running task, over its life of one that is over", async (context) => {
    const { server, record, log } = await startInspector();
    const samples = [0, 1, 2].map((second) =>
      usageSample({
        userUs: second === 2 ? 2_500_000 : second * 500_000,
        memoryBytes: (second === 1 ? 8 : 4) * 2 ** 20,
        time: begin + second * 1_000,
      }),
    );
    const [running, over] = [idOf(1, "running"), idOf(2, "over")];
    for (const id of [running, over]) {
      for (const sample of samples) appendUsage(log, toTaskId(id), sample);
    }
    await record(running, failure({}).slice(0, 4));
    await record(over, failure({}));
    const page = await openPage(context, server.url);
    const cells = (name: string) =>
      page.locator(".row", { hasText: name }).locator(".cpu, .memory").allTextContents();
    await expect.poll(() => cells("running")).toEqual(["2", "4 MiB"]);
    await expect.poll(() => cells("over")).toEqual(["1.3", "8 MiB"]);
    // No task of the list has a limit on its disk.
    expect(await page.getByRole("columnheader", { name: "Disk" }).count()).toBe(0);
  });

  it("shows what tasks with a limit use of their disk: now, and at most of one that is over", async (context) => {
    const { server, record, log } = await startInspector();
    const [running, over, free] = [idOf(1, "running"), idOf(2, "over"), idOf(3, "free")];
    for (const [second, used] of [1, 240, 3].entries()) {
      const sample = usageSample({ time: begin + second * 1_000, memoryBytes: 2 ** 22 });
      appendUsage(log, toTaskId(free), sample);
      for (const id of [running, over])
        appendUsage(log, toTaskId(id), { ...sample, ownDiskBytes: used * 2 ** 20 });
    }
    const disk = { limitBytes: 300 * 2 ** 20, project: 1, sharedProject: 2 };
    const limited = failure({}).map(({ type, data, ...event }) => {
      return { type, ...event, data: type === "sandboxed" ? { ...data, disk } : data };
    }) as ReturnType<typeof failure>;
    await record(running, limited.slice(0, 4));
    await record(over, limited);
    await record(free, failure({}));
    const page = await openPage(context, server.url);
    const cell = (name: string) => page.locator(".row", { hasText: name }).locator(".disk").textContent();
    await page.getByRole("columnheader", { name: "Disk" }).waitFor();
    await expect.poll(() => cell("running")).toBe("3 of 300 MiB");
    await expect.poll(() => cell("over")).toBe("240 of 300 MiB");
    await expect.poll(() => cell("free")).toBe("–");
  });
});
