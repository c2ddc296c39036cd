import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { TaskOptions } from "../../src/config/taskOptions.ts";
import type { RecoverableHandle } from "../../src/driver/driverPort.ts";
import { historyOf } from "../../src/driver/recovery.ts";
import type { DriverServices } from "../../src/driver/services.ts";
import { decodeHandle, encodeHandle, type HandleState, handleOf } from "../../src/driver/taskHandle.ts";
import { fold, initialSnapshot, stateName } from "../../src/machines/fold.ts";
import { memoryEventStore } from "../../src/store/memoryEventStore.ts";
import { event } from "../support/history.ts";

const taskId = "alloc/web/00000001";
const running = fold([event("requested"), event("fingerprinted"), event("sandboxed"), event("started")]);
const state: HandleState = handleOf(taskId, running);

describe("a task's handle", () => {
  it("holds what finds the task again, and comes back as it was", () => {
    expect(decodeHandle(encodeHandle(state))).toEqual(state);
    expect(state).toMatchObject({ taskId, init: { pid: 200 }, task: { pid: 201 }, bootId: "b0", uid: 80001 });
  });

  it("does not exist before the task has started", () => {
    expect(() => handleOf(taskId, initialSnapshot)).toThrow(/has not started/);
  });

  it("is refused whatever bytes come instead, and never crashes", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(() => decodeHandle(bytes)).toThrow(expect.objectContaining({ code: "HANDLE_INVALID" }));
      }),
    );
  });

  it("is refused with the names of the fields that are wrong", () => {
    const damaged = encodeHandle({ ...state, init: { pid: -1, startTicks: 0 } });
    expect(() => decodeHandle(damaged)).toThrow(/init\.pid/);
  });
});

describe("a task that only its handle tells of", () => {
  const request = {
    ...running.context.request,
    taskId,
    nodeId: "n",
    env: {},
    dns: undefined,
    options: undefined as TaskOptions | undefined,
  } as unknown as RecoverableHandle["request"];
  const services = () =>
    ({
      store: memoryEventStore(),
      facts: { kernel: "6.12.0", arch: "x64", landlockAbi: 6, cgroupControllers: [], mhzPerCore: 1000 },
      plugin: { pid: 1, version: "0.1.0" },
      log: { warn: () => undefined },
    }) as unknown as DriverServices;

  it("gets a stream that begins with what is known", async () => {
    const given = services();
    const history = await historyOf({ taskId, driverState: encodeHandle(state), request }, given);
    expect(stateName(history.snapshot)).toBe("running");
    expect(history.snapshot.context.process?.init).toEqual(state.init);
    expect(given.store.version(taskId)).toBe(history.version);
  });

  it("is found by the log the next time", async () => {
    const given = services();
    await historyOf({ taskId, driverState: encodeHandle(state), request }, given);
    const again = await historyOf({ taskId, driverState: new Uint8Array(), request }, given);
    expect(stateName(again.snapshot)).toBe("running");
  });

  it("is refused where the handle is another task's", async () => {
    const other = encodeHandle({ ...state, taskId: "alloc/web/00000002" });
    await expect(historyOf({ taskId, driverState: other, request }, services())).rejects.toMatchObject({
      code: "HANDLE_INVALID",
    });
  });
});
