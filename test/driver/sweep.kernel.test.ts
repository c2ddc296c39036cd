import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { DriverServices } from "../../src/driver/services.ts";
import { sweep } from "../../src/driver/sweep.ts";
import { isSameProcess } from "../../src/effects/processIdentity.ts";
import { EVENT_SCHEMA_VERSION, type EventType } from "../../src/machines/events.ts";
import { initialSnapshot, step } from "../../src/machines/fold.ts";
import type { EventStore } from "../../src/store/eventStore.ts";
import { memoryEventStore } from "../../src/store/memoryEventStore.ts";
import { runFolderName } from "../../src/store/stateFolder.ts";
import { event } from "../support/history.ts";
import { TestRun } from "../support/launchRun.ts";
import { recordingLogger } from "../support/recordingLogger.ts";
import { temporaryFolder } from "../support/temporaryFolder.ts";
import { TestCgroup } from "../support/testCgroup.ts";

function setUp() {
  const run = temporaryFolder();
  const store = memoryEventStore();
  const services = { store, log: recordingLogger(), folder: { run } } as unknown as DriverServices;
  return { run, store, services };
}

/** Stores a stream as the driver would have, with the data given for single events. */
async function storeHistory(
  store: EventStore,
  taskId: string,
  types: EventType[],
  data: Partial<Record<EventType, object>> = {},
  schema = EVENT_SCHEMA_VERSION,
) {
  let snapshot = initialSnapshot;
  const events = types.map((type) => {
    const fact = event(type, data[type]);
    const { from, to, effects, snapshot: next } = step(snapshot, fact);
    snapshot = next;
    return { ...fact, schema, from, to, effects };
  });
  await store.append(taskId, 0, events);
}

function typesOf(store: EventStore, taskId: string): string[] {
  return [...store.readStream(taskId)].map(({ type }) => type);
}

describe("the sweep at the start of a plugin", () => {
  it("ends a task whose start was never answered, and leaves its neighbour in the same cgroup alone", async () => {
    const { store, services } = setUp();
    const cgroup = new TestCgroup(`exec2-sweep-${process.pid}.scope`);
    onTestFinished(() => cgroup.remove());
    using abandoned = new TestRun();
    using neighbour = new TestRun();
    const first = await abandoned.startScript("sleep 600", { cgroup: cgroup.path });
    const second = await neighbour.startScript("sleep 600", { cgroup: cgroup.path });
    await storeHistory(store, "alloc/web/00000001", ["requested", "fingerprinted", "sandboxed"], {
      requested: {
        resources: { cpuMhz: 0, memoryMb: 0, memoryMaxMb: 0, cpusetCpus: "", cgroup: cgroup.path },
      },
      sandboxed: { runFolder: abandoned.folder },
    });
    await sweep(services);
    await abandoned.ended();
    // Its files are closed before the kernel has ended its namespace.
    await vi.waitFor(() => expect(isSameProcess(first.init)).toBe(false), { timeout: 20_000 });
    expect(isSameProcess(second.init)).toBe(true);
    expect(typesOf(store, "alloc/web/00000001").at(-1)).toBe("startFailed");
  });

  it.each<[string, EventType[]]>([
    ["asked for", ["requested"]],
    ["looked at", ["requested", "fingerprinted"]],
    ["prepared, in a cgroup that is gone", ["requested", "fingerprinted", "sandboxed"]],
  ])("closes the history of a task that was only %s", async (_title, types) => {
    const { store, services } = setUp();
    await storeHistory(store, "alloc/web/00000002", types);
    await sweep(services);
    expect(typesOf(store, "alloc/web/00000002")).toEqual([...types, "startFailed"]);
  });

  it("removes the files of runs that are over and keeps those of tasks that may run", async () => {
    const { run, store, services } = setUp();
    const over = "0b0ff9d5-0000-4000-8000-000000000001/web/00000003";
    const alive = "0b0ff9d5-0000-4000-8000-000000000001/web/00000004";
    const unknown = "of-a-log-that-is-gone_web_00000005";
    const running: EventType[] = ["requested", "fingerprinted", "sandboxed", "started"];
    await storeHistory(store, over, [...running, "exited"]);
    await storeHistory(store, alive, running);
    for (const name of [runFolderName(over), runFolderName(alive), unknown]) {
      mkdirSync(join(run, name));
      writeFileSync(join(run, name, "status"), "");
    }
    await sweep(services);
    expect(existsSync(join(run, runFolderName(over)))).toBe(false);
    expect(existsSync(join(run, runFolderName(alive)))).toBe(true);
    // The agent may still come with a handle of it.
    expect(existsSync(join(run, unknown))).toBe(true);
    expect(typesOf(store, alive)).toEqual(running);
  });

  it("leaves a task of a newer version as it is, files and all, and goes on with the others", async () => {
    const { run, store, services } = setUp();
    const newer = "0b0ff9d5-0000-4000-8000-000000000001/web/00000006";
    const over: EventType[] = ["requested", "startFailed"];
    await storeHistory(store, newer, over, {}, EVENT_SCHEMA_VERSION + 1);
    await storeHistory(store, "alloc/web/00000007", ["requested"]);
    mkdirSync(join(run, runFolderName(newer)));
    await sweep(services);
    expect(typesOf(store, newer)).toEqual(over);
    expect(existsSync(join(run, runFolderName(newer)))).toBe(true);
    expect(typesOf(store, "alloc/web/00000007")).toEqual(["requested", "startFailed"]);
  });
});
