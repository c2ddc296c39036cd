/** The same end is the same event, whoever notices it. */
import { describe, expect, it, onTestFinished } from "vitest";
import { toTaskId } from "../../../src/base/taskId.ts";
import { UnsavedEvents } from "../../../src/driver/history/unsavedEvents.ts";
import { endOf } from "../../../src/driver/recovery/recovery.ts";
import { settleStart } from "../../../src/driver/recovery/unansweredStart.ts";
import { Run } from "../../../src/driver/run/run.ts";
import type { DriverServices } from "../../../src/driver/services.ts";
import { Task } from "../../../src/driver/task/task.ts";
import type { Launched } from "../../../src/effects/launch/launcher.ts";
import { bootId, isSameProcess } from "../../../src/effects/processes/processIdentity.ts";
import { killInit, killTask } from "../../../src/effects/processes/signals.ts";
import type { EventData, TaskEvent } from "../../../src/machines/events.ts";
import { fold, type TaskSnapshot } from "../../../src/machines/taskMachine.ts";
import { endingServices } from "../../support/history/endingServices.ts";
import { event, sampleData } from "../../support/history/history.ts";
import { memoryEventStore } from "../../support/history/memoryEventStore.ts";
import { eventually } from "../../support/host/eventually.ts";
import { TestCgroup } from "../../support/host/testCgroup.ts";
import { TestRun } from "../../support/launch/launchRun.ts";
import { recordingLogger } from "../../support/recordingLogger.ts";

const taskId = toTaskId("alloc/web/00000001");
const limit = { limitBytes: 1024, project: 7, sharedProject: 8 };

interface Kind {
  readonly script: string;
  /** What is done to the run once it goes on. */
  readonly act?: (run: Launched) => void;
  /** Events after `started`, as the plugin that began the run has recorded them. */
  readonly after?: (run: Launched) => readonly TaskEvent[];
  readonly sandboxed?: Partial<EventData<"sandboxed">>;
  readonly end: object;
}

/** Refused to the main process, and after any end: no end comes too late to be its consequence. */
function refusalsOf(pid: number) {
  const firstAt = Date.now() + 3_600_000;
  return sampleData("denied").refusals.map((each) => ({ ...each, pid, firstAt }));
}

const kinds: Readonly<Record<string, Kind>> = {
  success: { script: "exit 0", end: { exitCode: 0, signal: 0, source: "status", cause: null } },
  "a failure": { script: "exit 3", end: { exitCode: 3, cause: { kind: expect.any(String) } } },
  "a code of a shell": { script: "exit 143", end: { exitCode: 143, cause: { kind: expect.any(String) } } },
  "a signal of its own": {
    script: "kill -SEGV $$",
    end: { signal: 11, cause: { kind: expect.any(String) } },
  },
  "a kill by somebody": { script: "sleep 600", act: ({ task }) => killTask(task), end: { signal: 9 } },
  "an end that nobody saw": {
    script: "sleep 600",
    act: ({ init }) => killInit(init),
    end: { source: "unknown", exitCode: -1 },
  },
  "a full disk": {
    script: "exit 1",
    sandboxed: { disk: limit },
    end: { exitCode: 1, disk: { bytes: 1024, files: 3 }, cause: { kind: expect.any(String) } },
  },
  "a refusal": {
    script: "exit 1",
    sandboxed: { unrecordedDenials: null },
    after: ({ task }) => [event("denied", { ...sampleData("denied"), refusals: refusalsOf(task.pid) })],
    end: { exitCode: 1, cause: { kind: "denied" } },
  },
  "a forced stop": {
    script: "sleep 600",
    act: ({ task }) => killTask(task),
    after: () => [event("destroyRequested", { force: true }), event("forceKilled")],
    end: { signal: 9, source: "status" },
  },
};

/** A run that has ended, and the events of its start. */
async function ended(kind: Kind) {
  const { script, act, sandboxed = {} } = kind;
  const cgroup = new TestCgroup(`exec2-ending-${process.pid}-${Math.random().toString(36).slice(2)}.scope`);
  onTestFinished(() => cgroup.remove());
  const run = new TestRun();
  onTestFinished(() => run[Symbol.dispose]());
  const launched = await run.startScript(script, { cgroup: cgroup.path });
  act?.(launched);
  await eventually(() => expect(isSameProcess(launched.init)).toBe(false));
  const resources = { ...sampleData("requested").resources, cgroup: cgroup.path };
  const prepared = [
    event("requested", { resources }),
    event("fingerprinted", { bootId: bootId() }),
    event("sandboxed", {
      runFolder: run.folder,
      init: launched.init,
      oomKills: 0,
      output: null,
      ...sandboxed,
    }),
  ];
  // The program's file may be younger than the time of a sample.
  const started = { ...event("started", { ...launched, bootId: bootId() }), time: Date.now() };
  return { prepared, started, after: kind.after?.(launched) };
}

function services(): DriverServices {
  const log = recordingLogger();
  const store = memoryEventStore();
  const usage = { own: { bytes: 1024, files: 3, limitBytes: 1024 } };
  const none = () => undefined;
  const tracker = { addDomain: none, addProcess: none, removeProcesses: none };
  return {
    ...endingServices(store),
    disk: { usage: async () => usage, release: async () => none() },
    log,
    store,
    unsaved: new UnsavedEvents(log),
    denials: { add: none, handOut: none, settle: async () => none(), ended: none, tracker },
    usage: { watch: none, finish: async () => none() },
    recorder: { watch: none },
    observer: { tool: undefined },
  } as unknown as DriverServices;
}

/** The plugin that began the run watches it to its end. */
async function watched(snapshot: TaskSnapshot): Promise<EventData<"exited">> {
  const given = services();
  const over = Promise.withResolvers<EventData<"exited">>();
  const task = new Task(
    taskId,
    {
      store: given.store,
      now: Date.now,
      createRun: (of) => new Run(of, () => given),
      onCommitted: ({ event: { type, data } }) => {
        if (type === "exited") over.resolve(data as EventData<"exited">);
      },
      onStoreFailure: over.reject,
    },
    { snapshot, version: 0 },
  );
  await task.record("recovered", { plugin: { pid: process.pid, version: "0.1.0" }, found: "running" });
  return over.promise;
}

/** Times of an end that no record has, and of what is looked at later, differ. */
function comparable(exited: EventData<"exited">): object {
  return { ...exited, endedAt: exited.source === "status" ? exited.endedAt : "now" };
}

describe.each(Object.entries(kinds))("the end of a run by %s", (_name, kind) => {
  it("is the same event, whoever notices it", async () => {
    const { prepared, started, after } = await ended(kind);
    const events = [...prepared, started, ...(after ?? [])];
    const unseen = await endOf(fold(events), services());
    expect(unseen).toMatchObject({ type: "exited", data: kind.end });
    const told = comparable(unseen?.data as EventData<"exited">);
    expect(comparable(await watched(fold(events)))).toEqual(told);
    if (after !== undefined) return;
    const { events: settled } = await settleStart(taskId, fold(prepared), services());
    expect(settled.map(({ type }) => type)).toEqual(["started", "exited"]);
    expect(comparable(settled[1]?.data as EventData<"exited">)).toEqual(told);
  });
});
