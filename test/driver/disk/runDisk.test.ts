import { describe, expect, it } from "vitest";
import { toTaskId } from "../../../src/base/taskId.ts";
import type { NodeDisk } from "../../../src/driver/disk/nodeDisk.ts";
import { RunDisk } from "../../../src/driver/disk/runDisk.ts";
import type { RecordedTask } from "../../../src/driver/history/recordedTask.ts";
import type { DiskUsage } from "../../../src/effects/disk/diskLimits.ts";
import type { TaskEvent } from "../../../src/machines/events.ts";
import { fold, step } from "../../../src/machines/taskMachine.ts";
import { event } from "../../support/history/history.ts";

const MiB = 2 ** 20;
const disk = { limitBytes: 4 * MiB, project: 1, sharedProject: 2 };

/** A running task, whose folders use what a test says. */
function runningTask(sandboxed: object = { disk }) {
  let snapshot = fold([
    event("requested"),
    event("fingerprinted"),
    event("sandboxed", sandboxed),
    event("started"),
  ]);
  const recorded: TaskEvent[] = [];
  const task = {
    id: toTaskId("a/main/1"),
    get snapshot() {
      return snapshot;
    },
    async record(type: TaskEvent["type"], data: object) {
      const happened = event(type, data);
      recorded.push(happened);
      snapshot = step(snapshot, happened).snapshot;
      return true;
    },
  } as unknown as RecordedTask;
  let usage: DiskUsage | undefined;
  const use = (own: number, shared = 0) => {
    const of = (mebibytes: number) => ({
      ...{ bytes: mebibytes * MiB, files: 3, limitBytes: 4 * MiB, limitFiles: 1024 },
    });
    usage = { own: of(own), shared: of(shared) };
  };
  const services = () => ({ disk: { usage: async () => usage } as unknown as NodeDisk });
  const told = () => recorded.map(({ data }) => data as object);
  return { task, services, use, told };
}

describe("a run's disk", () => {
  it("is told once at 90 % and once when it is full, for each of its limits", async () => {
    const { task, services, use, told } = runningTask();
    const run = new RunDisk({ task, services });
    for (const own of [3.5, 3.7, 1, 3.8, 4, 1, 4]) {
      use(own);
      await run.look();
    }
    expect(told()).toMatchObject([
      { folders: "own", percent: 90, unit: "bytes", used: 3.7 * MiB, limit: 4 * MiB },
      { folders: "own", percent: 100 },
    ]);
    use(4, 4);
    await run.look();
    expect(told().slice(2)).toMatchObject([{ folders: "shared", percent: 100 }]);
  });

  it("is not told again by the next plugin", async () => {
    const { task, services, use, told } = runningTask();
    use(3.8, 4);
    await new RunDisk({ task, services }).look();
    expect(told()).toHaveLength(2);
    const next = new RunDisk({ task, services });
    await next.look();
    expect(told()).toHaveLength(2);
    use(4, 4);
    await next.look();
    expect(told().slice(2)).toMatchObject([{ folders: "own", percent: 100 }]);
  });

  it("is told once if two looks meet", async () => {
    const { task, services, use, told } = runningTask();
    const run = new RunDisk({ task, services });
    use(4);
    await Promise.all([run.look(), run.look()]);
    expect(told()).toHaveLength(1);
  });

  it("is not read without a limit, and tells nothing if it cannot be read", async () => {
    const free = runningTask({});
    free.use(4);
    const run = new RunDisk(free);
    expect(run.isLimited).toBe(false);
    expect(await run.look()).toBeUndefined();
    const limited = runningTask();
    expect(await new RunDisk(limited).look()).toBeUndefined();
    expect([...free.told(), ...limited.told()]).toEqual([]);
  });
});
