import { describe, expect, it } from "vitest";
import { toTaskId } from "../../../src/base/taskId.ts";
import { toStored } from "../../../src/driver/history/taskHistory.ts";
import { repeatedStart } from "../../../src/driver/recovery/recovery.ts";
import type { EventType } from "../../../src/machines/events.ts";
import { initialSnapshot, step } from "../../../src/machines/taskMachine.ts";
import { endingServices } from "../../support/history/endingServices.ts";
import { event, sampleData } from "../../support/history/history.ts";
import { memoryEventStore } from "../../support/history/memoryEventStore.ts";
import { recordingLogger } from "../../support/recordingLogger.ts";

const taskId = toTaskId("alloc/web/00000001");
const first = sampleData("requested");
const again = { ...first, plugin: { pid: first.plugin.pid + 1, version: "0.1.0" } };
const running: EventType[] = ["requested", "fingerprinted", "sandboxed", "started"];

/** Services whose log has these events of the task. */
async function servicesWith(...types: EventType[]) {
  const store = memoryEventStore();
  let snapshot = initialSnapshot;
  for (const [index, type] of types.entries()) {
    const fact = event(type);
    const taken = step(snapshot, fact);
    snapshot = taken.snapshot;
    await store.append(taskId, index, [toStored(fact, taken)]);
  }
  return { store, log: recordingLogger(), ...endingServices(store) };
}

describe("a start that is already in the log", () => {
  it.each<[string, EventType[]]>([
    ["failed", ["requested", "fingerprinted", "sandboxed", "startFailed"]],
    ["running", running],
    ["recovered", [...running, "recovered"]],
    ["exited", [...running, "exited"]],
  ])("continues if the first attempt is %s", async (state, types) => {
    expect(await repeatedStart(taskId, again, await servicesWith(...types))).toMatchObject({
      snapshot: { value: state },
      version: types.length,
    });
  });

  it.each<[string, EventType[]]>([
    ["destroyed", [...running, "exited", "destroyed"]],
    ["lost", [...running, "lost"]],
  ])("is refused if the task is %s", async (_state, types) => {
    await expect(repeatedStart(taskId, again, await servicesWith(...types))).rejects.toMatchObject({
      code: "TASK_EXISTS",
    });
  });

  it.each([
    ["other arguments", { ...again, args: ["-c", "true"] }],
    ["another environment", { ...again, envDigest: "01ff" }],
    ["the same plugin process", first],
  ])("is refused with %s", async (_what, requested) => {
    await expect(repeatedStart(taskId, requested, await servicesWith(...running))).rejects.toMatchObject({
      code: "TASK_EXISTS",
    });
  });

  it("is a first start if the log does not know the task", async () => {
    expect(await repeatedStart(taskId, again, await servicesWith())).toBeUndefined();
  });
});
