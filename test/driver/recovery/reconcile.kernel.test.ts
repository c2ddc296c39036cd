import { closeSync, constants, existsSync, mkdirSync, openSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { DriverError } from "../../../src/base/errors.ts";
import { toTaskId } from "../../../src/base/taskId.ts";
import { UnsavedEvents } from "../../../src/driver/history/unsavedEvents.ts";
import { reconcile } from "../../../src/driver/recovery/reconcile.ts";
import type { DriverServices } from "../../../src/driver/services.ts";
import { bootId, isSameProcess, processIdentity } from "../../../src/effects/processes/processIdentity.ts";
import { makeRunFiles } from "../../../src/effects/run/runFiles.ts";
import { EVENT_SCHEMA_VERSION, type EventType } from "../../../src/machines/events.ts";
import { initialSnapshot, step } from "../../../src/machines/taskMachine.ts";
import type { EventStore } from "../../../src/store/eventStore.ts";
import { runFolderName } from "../../../src/store/folder/stateFolder.ts";
import { endingServices } from "../../support/history/endingServices.ts";
import { event } from "../../support/history/history.ts";
import { memoryEventStore, refusingStore } from "../../support/history/memoryEventStore.ts";
import { eventually } from "../../support/host/eventually.ts";
import { unusedPid } from "../../support/host/processes.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { TestCgroup } from "../../support/host/testCgroup.ts";
import { TestRun } from "../../support/launch/launchRun.ts";
import { recordingLogger } from "../../support/recordingLogger.ts";

const running: EventType[] = ["requested", "fingerprinted", "sandboxed", "started"];
/** A run whose init is alive: it is this process. */
const livingRun = {
  init: processIdentity(process.pid),
  task: processIdentity(process.pid),
  bootId: bootId(),
};

function setUp() {
  const run = temporaryFolder();
  const store = memoryEventStore();
  const log = recordingLogger();
  const services = {
    store,
    log,
    ...endingServices(store),
    folder: { run, path: temporaryFolder() },
    unsaved: new UnsavedEvents(log),
  } as unknown as DriverServices;
  return { run, store, services };
}

/**
 * Stores a stream as the driver would have stored it. `data` overrides the sample data of some types of
 * events.
 */
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

describe("the reconcile at the start of a plugin", () => {
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
    await reconcile(services, () => false);
    // A process leaves its cgroup before it has ended.
    await eventually(() => expect(isSameProcess(first.init)).toBe(false));
    expect(isSameProcess(second.init)).toBe(true);
    expect(typesOf(store, "alloc/web/00000001").at(-1)).toBe("startFailed");
  });

  it.each<[string, EventType[]]>([
    ["requested", ["requested"]],
    ["requested, on a host that was probed", ["requested", "fingerprinted"]],
    ["prepared, in a cgroup that was removed", ["requested", "fingerprinted", "sandboxed"]],
  ])("closes the history of a task that was only %s", async (_title, types) => {
    const { store, services } = setUp();
    await storeHistory(store, "alloc/web/00000002", types);
    await reconcile(services, () => false);
    expect(typesOf(store, "alloc/web/00000002")).toEqual([...types, "startFailed"]);
  });

  it("removes the files of runs that are over and keeps those of tasks that run", async () => {
    const { run, store, services } = setUp();
    const over = toTaskId("0b0ff9d5-0000-4000-8000-000000000001/web/00000003");
    const alive = toTaskId("0b0ff9d5-0000-4000-8000-000000000001/web/00000004");
    const unknown = "of-a-log-that-is-gone_web_00000005";
    const unknownToo = "of-a-log-that-is-gone_web_00000008";
    const unused = ["never-requested_web_00000006", "never-let-go_web_00000007"];
    const overToo = toTaskId("of another form");
    for (const each of [over, overToo]) await storeHistory(store, each, [...running, "exited"]);
    await storeHistory(store, alive, running, { started: livingRun });
    for (const name of [...[over, overToo, alive].map(runFolderName), unknown]) {
      mkdirSync(join(run, name));
      writeFileSync(join(run, name, "status"), new Uint8Array(4));
    }
    for (const name of unused) makeRunFiles(join(run, name));
    writeFileSync(join(run, unused[1] as string, "status"), new Uint8Array(1));
    // The init may still wait, or the task may run.
    const { alive: held } = makeRunFiles(join(run, unknownToo));
    const writer = openSync(held, constants.O_RDWR);
    onTestFinished(() => closeSync(writer));
    const tasks = await reconcile(services, () => false);
    expect([...tasks.keys()]).toEqual([alive]);
    expect(tasks.get(alive)).toMatchObject({
      version: running.length,
      snapshot: { value: "running", context: { sandbox: { plan: [] } } },
    });
    // By its handle, the agent may still recover a run without events in the log.
    expect(readdirSync(run).sort()).toEqual([runFolderName(alive), unknown, unknownToo].sort());
    expect(typesOf(store, alive)).toEqual(running);
  });

  it("does not change a task of a newer version or its files, and goes on with the others", async () => {
    const { run, store, services } = setUp();
    const newer = toTaskId("0b0ff9d5-0000-4000-8000-000000000001/web/00000016");
    const over: EventType[] = ["requested", "startFailed"];
    await storeHistory(store, newer, over, {}, EVENT_SCHEMA_VERSION + 1);
    await storeHistory(store, "alloc/web/00000017", ["requested"]);
    mkdirSync(join(run, runFolderName(newer)));
    await reconcile(services, () => false);
    expect(typesOf(store, newer)).toEqual(over);
    expect(existsSync(join(run, runFolderName(newer)))).toBe(true);
    expect(typesOf(store, "alloc/web/00000017")).toEqual(["requested", "startFailed"]);
  });

  it.each<[string, object, object]>([
    [
      "that ended while no plugin watched: with the status that its init recorded",
      { ...livingRun, init: { pid: unusedPid(), startTicks: 1 } },
      { type: "exited", data: { exitCode: 7, signal: 0, source: "status" }, to: "exited" },
    ],
    [
      "whose pid now belongs to another process: with the status that its init recorded",
      { ...livingRun, init: { ...livingRun.init, startTicks: livingRun.init.startTicks - 1 } },
      { type: "exited", data: { exitCode: 7, source: "status" } },
    ],
    [
      "of an earlier boot as lost, whatever process has its pid now",
      { ...livingRun, bootId: "4e7a3d2b-0000-4000-8000-000000000000" },
      { type: "lost", data: { reason: expect.stringContaining("rebooted") }, to: "lost" },
    ],
  ])("closes the history of a run %s", async (_title, started, last) => {
    const { run, store, services } = setUp();
    const taskId = toTaskId("0b0ff9d5-0000-4000-8000-000000000001/web/00000007");
    const runFolder = join(run, runFolderName(taskId));
    mkdirSync(runFolder);
    writeFileSync(join(runFolder, "status"), new Uint8Array([0, 7, 0, 0]));
    await storeHistory(store, taskId, running, { started, sandboxed: { runFolder } });
    expect(await reconcile(services, () => false)).toEqual(new Map());
    expect([...store.readStream(taskId)].at(-1)).toMatchObject(last);
    expect(existsSync(runFolder)).toBe(false);
    expect(await reconcile(services, () => false)).toEqual(new Map());
    expect(store.version(taskId)).toBe(running.length + 1);
  });

  it("stores refused events as soon as the log accepts events again, except for tasks in use", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => void vi.useRealTimers());
    const { run, services } = setUp();
    const store = refusingStore();
    const [swept, used] = [toTaskId("alloc/swept/1"), toTaskId("alloc/used/1")];
    const gone = { ...livingRun, init: { pid: unusedPid(), startTicks: 1 } };
    for (const taskId of [swept, used]) {
      await storeHistory(store, taskId, running, { started: gone });
      mkdirSync(join(run, runFolderName(taskId)));
    }
    store.full = true;
    const unsaved = new UnsavedEvents(services.log);
    const tasks = await reconcile(
      { ...services, store, unsaved },
      (taskId) => taskId === used && !store.full,
    );
    // The plugin cannot be sure yet that these tasks are over.
    expect([...tasks]).toEqual([]);
    expect(typesOf(store, swept)).toEqual(running);
    expect(readdirSync(run)).toHaveLength(2);
    store.full = false;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(typesOf(store, swept)).toEqual([...running, "exited"]);
    expect(typesOf(store, used)).toEqual(running);
    expect(readdirSync(run)).toEqual([runFolderName(used)]);
  });

  it("continues with the others if one history cannot be read, and logs that", async () => {
    const { run, store, services } = setUp();
    await storeHistory(store, "alloc/damaged/1", running, { started: livingRun });
    await storeHistory(store, "alloc/unanswered/1", ["requested"]);
    mkdirSync(join(run, runFolderName(toTaskId("alloc/damaged/1"))));
    const readStream = store.readStream.bind(store);
    store.readStream = (stream, from) => {
      if (stream === "alloc/damaged/1") throw new DriverError("STORE_FAILED", "event 3 is damaged");
      return readStream(stream, from);
    };
    const told = recordingLogger();
    await reconcile({ ...services, log: told }, () => false);
    expect(typesOf(store, "alloc/unanswered/1").at(-1)).toBe("startFailed");
    expect(told.lines.filter(({ level }) => level === "error")).toMatchObject([
      { fields: { task_id: "alloc/damaged/1", error: expect.stringContaining("event 3 is damaged") } },
    ]);
    expect(readdirSync(run)).toEqual([runFolderName(toTaskId("alloc/damaged/1"))]);
  });
});
