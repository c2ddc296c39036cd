import { utimesSync, writeFileSync } from "node:fs";
import { Subscription } from "rxjs";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { RecordedTask } from "../../../src/driver/history/recordedTask.ts";
import { exitOf } from "../../../src/driver/run/runEnd.ts";
import { MemoryWatch } from "../../../src/driver/run/watch.ts";
import { statusFileLayout } from "../../../src/effects/plan/plan.ts";
import { processIdentity } from "../../../src/effects/processes/processIdentity.ts";
import { runFiles } from "../../../src/effects/run/runFiles.ts";
import type { EventData } from "../../../src/machines/events.ts";
import { fold, step } from "../../../src/machines/taskMachine.ts";
import { event } from "../../support/history/history.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

const minute = 60_000;

/**
 * A running task in a folder with the files of a cgroup.
 * @param task its process
 */
function setUp(task = processIdentity(process.pid)) {
  const cgroup = temporaryFolder();
  const resources = { cpuMhz: 100, memoryMb: 64, memoryMaxMb: 0, cpusetCpus: "", cgroup };
  const runFolder = temporaryFolder();
  const begun = [
    event("requested", { resources }),
    event("fingerprinted"),
    event("sandboxed", { runFolder }),
  ];
  let snapshot = fold([...begun, event("started", { task })]);
  const recorded: EventData<"oomSeen">[] = [];
  const recordedTask = {
    get snapshot() {
      return snapshot;
    },
    record: async (_type: string, data: EventData<"oomSeen">) => {
      snapshot = step(snapshot, { type: "oomSeen", time: Date.now(), data }).snapshot;
      recorded.push(data);
      return true;
    },
  } as Partial<RecordedTask> as RecordedTask;
  const watch = new MemoryWatch({ task: recordedTask, watching: new Subscription() });
  const kill = (kills: number) => {
    writeFileSync(`${cgroup}/memory.events`, `oom_kill ${kills}\n`);
    watch.look();
  };
  const endsWith = (exitCode: number) => {
    const { status } = runFiles(runFolder);
    const bytes = Buffer.alloc(statusFileLayout.statusBytes);
    bytes.writeInt32LE(exitCode << 8, statusFileLayout.status);
    writeFileSync(status, bytes);
    utimesSync(status, new Date(), new Date());
    return exitOf(recordedTask.snapshot, { oomSeen: watch.seen });
  };
  return { kill, kills: () => recorded.map(({ kills }) => kills), endsWith };
}

describe("OOM kills that a task survives", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("are recorded at once, and later ones together", () => {
    const { kill, kills } = setUp();
    kill(1);
    expect(kills()).toEqual([1]);
    kill(2);
    kill(3);
    expect(kills()).toEqual([1]);
    vi.advanceTimersByTime(minute);
    expect(kills()).toEqual([1, 3]);
    vi.advanceTimersByTime(10 * minute);
    kill(3);
    expect(kills()).toEqual([1, 3]);
    kill(4);
    expect(kills()).toEqual([1, 3, 4]);
  });

  it("take little space in the log, however many a task causes", () => {
    const { kill, kills } = setUp();
    const day = 24 * 60;
    for (let passed = 1; passed <= day; passed++) {
      kill(60 * passed);
      vi.advanceTimersByTime(minute);
    }
    expect(kills().length).toBeLessThan(32);
    expect(kills().at(-1)).toBeGreaterThan(60 * (day - 61));
  });

  it("explain a failure that follows soon, but not one long afterwards, whether recorded or not", () => {
    const { kill, kills, endsWith } = setUp();
    kill(1);
    kill(2);
    expect(kills()).toEqual([1]);
    expect(endsWith(1)).toMatchObject({ exitCode: 1, oomKilled: true, oom: { kills: 2 } });
    vi.advanceTimersByTime(11_000);
    expect(kills()).toEqual([1]);
    expect(endsWith(1)).toMatchObject({ exitCode: 1, oomKilled: false, oom: { kills: 2 } });
  });

  it("are not those that end it, which the end tells", () => {
    const { kill, kills, endsWith } = setUp({ ...processIdentity(process.pid), startTicks: 1 });
    kill(1);
    expect(kills()).toEqual([]);
    expect(endsWith(1)).toMatchObject({ oomKilled: true, oom: { kills: 1 } });
  });
});
