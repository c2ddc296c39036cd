/** The page's charts of what a task used, in Debian's Chromium. */
import { describe, expect, it } from "vitest";
import { toTaskId } from "../../src/base/taskId.ts";
import { appendUsage } from "../../src/store/usage/usageFile.ts";
import type { UsageSample } from "../../src/store/usage/usageSample.ts";
import { event, life } from "../support/history/history.ts";
import { usageSample } from "../support/metrics/usage.ts";
import { expectAccessible, openPage, screenshot } from "../support/screen/browserPage.ts";
import { type Inspected, idOf, startInspector } from "../support/screen/inspector.ts";

const begun = 1_700_000_000_000;
const mib = 2 ** 20;

/** A task's usage at a second of its run. The task reaches its memory limit, and is throttled. */
function use(second: number): UsageSample {
  return usageSample({
    time: begun + second * 1_000,
    userUs: second * 700_000 + Math.max(0, second - 30) * 250_000,
    throttledUs: Math.max(0, second - 30) * 400_000,
    memoryBytes: (8 + Math.min(55, second)) * mib,
    memoryPeakBytes: 64 * mib,
    pids: 2 + (second % 7),
    memoryWaitingUs: Math.max(0, second - 45) * 300_000,
    writtenBytes: second * mib,
    ownDiskBytes: second * 4 * mib,
  });
}

const limits = [
  ...["memory.max 67108864", "cpu.max 100000 100000", "pids.max 500"],
  ...[
    "io.max 8:0 rbps=max wbps=1048576 riops=max wiops=max",
    "io.max 8:16 rbps=max wbps=1048576 riops=5 wiops=max",
  ],
].map((each) => {
  const [file = "", ...value] = each.split(" ");
  return { file, value: value.join(" "), applied: true };
});

const disk = { limitBytes: 300 * mib, project: 1, sharedProject: 2 };

async function recordHungry({ record }: Inspected, id: string): Promise<void> {
  const [requested, fingerprinted, , started] = life("ended").map((each) => ({ ...each, time: begun }));
  if (!requested || !fingerprinted || !started) throw new Error("no such life");
  const sandboxed = { ...event("sandboxed", { limits, disk }), time: begun };
  const oom = {
    ...event("oomSeen", { kills: 1, limitBytes: 64 * mib, peakBytes: 64 * mib }),
    time: begun + 50_000,
  };
  const denied = { ...event("denied"), time: begun + 20_000 };
  const stalled = { ...event("stalled"), time: begun + 45_000 };
  await record(id, [requested, fingerprinted, sandboxed, started, denied, stalled, oom]);
}

describe("a task's usage", () => {
  it.for([
    ["light", 1280],
    ["dark", 390],
  ] as const)(
    "is drawn beside the task's limits, and is a table, too: %s, %i wide",
    async ([colorScheme, width], context) => {
      const inspected = await startInspector();
      const id = idOf(1);
      for (let second = 1; second <= 60; second++) appendUsage(inspected.log, toTaskId(id), use(second));
      await recordHungry(inspected, id);
      const page = await openPage(context, inspected.server.url, {
        colorScheme,
        viewport: { width, height: 900 },
      });
      await page.getByRole("link", { name: "web" }).click();
      const panel = page.getByRole("region", { name: "What it used", exact: true });
      await panel
        .getByText(
          "at most 64 of 64 MiB of memory and at most 240 of 300 MiB of disk in its folders; it wrote 59 MiB to disks; its CPU limit held it back for 12 s",
        )
        .waitFor();
      await panel.getByRole("img", { name: "Memory: at most 63 MiB of 64 MiB" }).waitFor();
      await panel.getByRole("img", { name: "Disk, its own folders: at most 240 MiB of 300 MiB" }).waitFor();
      await panel.getByRole("img", { name: "CPU, cores: at most 0.95 of 1" }).waitFor();
      await panel.getByRole("img", { name: "Held back by the CPU limit: at most 40 %" }).waitFor();
      await panel.getByRole("img", { name: "Waited for memory: at most 30 %" }).waitFor();
      await panel
        .getByRole("img", { name: "Written to disks, each second: at most 1 MiB of 2 MiB" })
        .waitFor();
      // The value is far from its limit, so the limit is only written, not drawn. Nothing waited for I/O.
      const pids = panel.getByRole("img", { name: "Processes and threads: at most 8 of 500" });
      expect(await pids.locator(".limit").count()).toBe(0);
      expect(await panel.locator("svg .limit").count()).toBe(4);
      expect(await panel.getByRole("img", { name: "I/O" }).count()).toBe(0);
      // The denial, the stall and the OOM kill are marked in each chart.
      expect(await panel.locator("svg .mark").count()).toBe(3 * (await panel.getByRole("img").count()));
      await panel.getByText("denied, out of memory, stalled, disk full, or an error").waitFor();
      await panel.getByText("As a table").click();
      await panel.getByRole("cell", { name: "63 MiB" }).first().waitFor();
      expect(await panel.getByRole("row").count()).toBe(60);
      await expectAccessible(page);
      await panel.getByText("As a table").click();
      await page.screenshot({ path: screenshot(`usage-${colorScheme}-${width}`), fullPage: true });
      expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
    },
  );

  it("is not shown without samples", async (context) => {
    const { server, record } = await startInspector();
    await record(idOf(1), life("ended"));
    const page = await openPage(context, server.url);
    await page.getByRole("link", { name: "web" }).click();
    await page.locator("#state-destroyed.lit").waitFor();
    expect(await page.getByText("What it used").count()).toBe(0);
  });
});
