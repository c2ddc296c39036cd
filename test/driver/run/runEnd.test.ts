import { utimesSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { exitOf } from "../../../src/driver/run/runEnd.ts";
import { statusFileLayout } from "../../../src/effects/plan/plan.ts";
import { runFiles } from "../../../src/effects/run/runFiles.ts";
import { fold } from "../../../src/machines/taskMachine.ts";
import { event } from "../../support/history/history.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

/** The exit of a task that failed at `endedAt`. Its cgroup has counted `kills` OOM kills. */
function exitWith(kills: number, survived: { kills: number; at: number } | null, endedAt: number) {
  const cgroup = temporaryFolder();
  const runFolder = temporaryFolder();
  writeFileSync(`${cgroup}/memory.events`, `oom_kill ${kills}\n`);
  const bytes = Buffer.alloc(statusFileLayout.statusBytes);
  bytes.writeInt32LE(1 << 8, statusFileLayout.status);
  const { status } = runFiles(runFolder);
  writeFileSync(status, bytes);
  utimesSync(status, endedAt / 1_000, endedAt / 1_000);
  const resources = { cpuMhz: 100, memoryMb: 64, memoryMaxMb: 0, cpusetCpus: "", cgroup };
  const running = fold([
    event("requested", { resources }),
    event("fingerprinted"),
    event("sandboxed", { runFolder }),
    event("started"),
  ]);
  return exitOf(running, { oomSeen: survived && { ...survived, limitBytes: null, peakBytes: null } });
}

describe("the cause of a task's end", () => {
  const survived = { kills: 2, at: 1_000_000 };

  it.each([
    ["is no lack of memory if there was none", 0, null, 1_000_000, false],
    ["is a lack of memory that was not recorded before", 2, null, 1_000_000, true],
    [
      "is a lack of memory if there were further OOM kills since the recorded one",
      3,
      survived,
      9_000_000,
      true,
    ],
    ["is a lack of memory that was recorded a moment ago", 2, survived, 1_010_000, true],
    ["is no lack of memory that was recorded long ago", 2, survived, 1_010_001, false],
  ])("%s", (_, kills, seen, endedAt, fatal) => {
    expect(exitWith(kills, seen, endedAt)).toMatchObject({ exitCode: 1, endedAt, oomKilled: fatal });
  });
});
