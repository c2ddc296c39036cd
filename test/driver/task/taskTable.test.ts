import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { requestedEvent } from "../../../src/driver/history/startEvents.ts";
import { toStored } from "../../../src/driver/history/taskHistory.ts";
import type { Run } from "../../../src/driver/run/run.ts";
import type { DriverServices } from "../../../src/driver/services.ts";
import { Task } from "../../../src/driver/task/task.ts";
import { TaskTable } from "../../../src/driver/task/taskTable.ts";
import { envDigest } from "../../../src/effects/command/envDigest.ts";
import type { TaskRequest } from "../../../src/effects/launch/taskRequest.ts";
import { bootId, processIdentity } from "../../../src/effects/processes/processIdentity.ts";
import { errorOfCall } from "../../../src/grpc/status.ts";
import { initialSnapshot, step } from "../../../src/machines/taskMachine.ts";
import { setConfig, taskConfig, taskId } from "../../support/agent/requests.ts";
import { endingServices } from "../../support/history/endingServices.ts";
import { event } from "../../support/history/history.ts";
import { memoryEventStore } from "../../support/history/memoryEventStore.ts";
import { fakeDriver, runThat } from "../../support/plugin/fakeDriver.ts";
import { serveInProcess } from "../../support/plugin/serveInProcess.ts";
import { recordingLogger } from "../../support/recordingLogger.ts";

function tableOf(
  store: ReturnType<typeof memoryEventStore>,
  act: Parameters<typeof runThat>[0],
  refused = async () => {},
) {
  const services = {
    ...endingServices(store),
    ...{ store, log: recordingLogger(), unclaimed: new Map(), plugin: { pid: 2, version: "0.1.0" } },
  } as unknown as DriverServices;
  const table = new TaskTable((id, history) => {
    const dependencies = {
      ...{ store, now: () => 42, onCommitted: () => {}, onStoreFailure: () => {} },
      createRun: () =>
        ({
          ...runThat(act),
          ...{ setRequest: () => {}, answered: () => {}, refused, env: {} },
          parts: { commands: { endAbandoned: async () => {} } },
        }) as unknown as Run,
    };
    return new Task(id, dependencies, history);
  });
  return { table, services };
}

/**
 * The tasks of a plugin whose log has a run that an earlier plugin started and that goes on. The host lets nobody
 * read the log until `calls` calls have come, so that all of them look for the run at the same time.
 */
function tableOfNextPlugin(calls: number) {
  const store = memoryEventStore();
  const { readStream } = store;
  const watched: string[] = [];
  let earlier: Promise<void> | undefined;
  let come = 0;
  store.readStream = (...given) => {
    if (come >= calls) return readStream.apply(store, given);
    throw Object.assign(new Error("too many open files"), { code: "EMFILE", syscall: "open" });
  };
  const { table, services } = tableOf(store, (effect) => watched.push(effect));

  async function addEarlierRun(request: TaskRequest): Promise<void> {
    const self = processIdentity(process.pid);
    const digest = envDigest(request.env, services.folder.path);
    let snapshot = initialSnapshot;
    for (const [index, fact] of [
      event("requested", requestedEvent(request, digest, { pid: 1, version: "0.1.0" })),
      event("fingerprinted", { bootId: bootId() }),
      event("sandboxed", { init: self }),
      event("started", { init: self, bootId: bootId() }),
    ].entries()) {
      const taken = step(snapshot, fact);
      snapshot = taken.snapshot;
      await store.append(request.taskId, index, [toStored(fact, taken)]);
    }
  }

  const driver = fakeDriver({
    startTask: async (request, signal) => {
      earlier ??= addEarlierRun(request);
      await earlier;
      come += 1;
      return table.start(request, signal, services);
    },
  });
  return { driver, table, watched, types: () => [...readStream.call(store, taskId)].map(({ type }) => type) };
}

test("of equal starts at once, repeated after a plugin's death, one gets the run, which is watched once", async () => {
  const { driver: port, table, watched, types } = tableOfNextPlugin(2);
  const { base, driver } = await serveInProcess(port);
  await base.setConfig(setConfig());
  const start = () => driver.startTask({ task: taskConfig() });
  const answers = await Promise.allSettled([start(), start()]);
  expect(answers.map((answer) => answer.status).sort()).toEqual(["fulfilled", "rejected"]);
  const refused = answers.find((answer) => answer.status === "rejected");
  expect(errorOfCall(refused?.reason)).toMatchObject({ code: "TASK_EXISTS" });
  expect(refused?.reason).toMatchObject({ code: status.ALREADY_EXISTS });
  expect(watched).toEqual(["watchExit"]);
  expect(types()).toEqual(["requested", "fingerprinted", "sandboxed", "started", "recovered"]);
  expect(table.all.map(({ state }) => state)).toEqual(["recovered"]);
});

test("a start that the log refuses is answered once nothing of it is under way", async () => {
  const store = memoryEventStore();
  store.append = () => Promise.reject(new Error("the disk is broken"));
  const done: string[] = [];
  const over = Promise.withResolvers<void>();
  const { table, services } = tableOf(
    store,
    () => undefined,
    async () => {
      done.push("refused");
      await over.promise;
    },
  );
  const { base, driver } = await serveInProcess(
    fakeDriver({ startTask: (request, signal) => table.start(request, signal, services) }),
  );
  await base.setConfig(setConfig());
  const answer = driver.startTask({ task: taskConfig() }).catch(() => done.push("answered"));
  while (done.length === 0) await new Promise(setImmediate);
  expect(done).toEqual(["refused"]);
  over.resolve();
  await answer;
  expect(done).toEqual(["refused", "answered"]);
  expect(table.all).toEqual([]);
});
