import { spawn } from "node:child_process";
import { once } from "node:events";
import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { toTaskId } from "../../../src/base/taskId.ts";
import { UnsavedEvents } from "../../../src/driver/history/unsavedEvents.ts";
import { Run } from "../../../src/driver/run/run.ts";
import type { DriverServices } from "../../../src/driver/services.ts";
import { Task } from "../../../src/driver/task/task.ts";
import { livingStat, processIdentity } from "../../../src/effects/processes/processIdentity.ts";
import { effectNames, fold, taskMachine } from "../../../src/machines/taskMachine.ts";
import { event, sampleData } from "../../support/history/history.ts";
import { memoryEventStore } from "../../support/history/memoryEventStore.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { recordingLogger } from "../../support/recordingLogger.ts";

/** A task whose main process is a living child, in a store that commits when the test lets it. */
async function setUp() {
  const child = spawn("sleep", ["1000"], { detached: true, stdio: "ignore" });
  onTestFinished(() => void child.kill("SIGKILL"));
  const ended = once(child, "exit");
  await once(child, "spawn");
  const identity = processIdentity(child.pid as number);
  const store = memoryEventStore();
  const append = store.append.bind(store);
  const asked = Promise.withResolvers<void>();
  const allowed = Promise.withResolvers<void>();
  store.append = async (...request) => {
    asked.resolve();
    await allowed.promise;
    return append(...request);
  };
  const log = recordingLogger();
  const services = { log, unsaved: new UnsavedEvents(log) } as Partial<DriverServices> as DriverServices;
  const history = fold([
    event("requested"),
    event("fingerprinted"),
    event("sandboxed", { runFolder: temporaryFolder() }),
    event("started", { init: identity, task: identity }),
  ]);
  const task = new Task(
    toTaskId("alloc/web/00000001"),
    {
      store,
      now: () => 42,
      createRun: (of) => new Run(of, () => services),
      onCommitted: () => {},
      onStoreFailure: () => {},
    },
    { snapshot: history, version: 0 },
  );
  return { task, child, ended, asked: asked.promise, allow: allowed.resolve };
}

describe("the machine that the driver steps", () => {
  it("is the task's, with an action for each effect", async () => {
    const { machine } = (await setUp()).task.run;
    expect(machine.config).toBe(taskMachine.config);
    const [own, none] = [machine.implementations.actions, taskMachine.implementations.actions];
    expect(Object.keys(own).filter((name) => own[name] !== none[name])).toEqual(effectNames);
  });

  it.each([
    ["stopRequested", { signal: 15, timeoutMs: 60_000 }, "SIGTERM"],
    ["destroyRequested", { force: true }, "SIGKILL"],
  ] as const)(
    "acts on the task's processes once %s is committed, and not before",
    async (type, data, signal) => {
      const { task, child, ended, asked, allow } = await setUp();
      const recording = task.record(type, data);
      await asked;
      for (let turn = 0; turn < 10; turn++) await nextTurn();
      expect(livingStat(child.pid as number)).toBeDefined();
      expect(task.state).toBe("running");
      allow();
      expect(await recording).toBe(true);
      expect(await ended).toEqual([null, signal]);
      // The end stops the timers of the stop.
      await task.record("exited", sampleData("exited"));
    },
  );
});
