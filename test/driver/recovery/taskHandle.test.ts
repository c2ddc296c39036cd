import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DriverError } from "../../../src/base/errors.ts";
import { toTaskId } from "../../../src/base/taskId.ts";
import type { RecoverableHandle } from "../../../src/driver/driverPort.ts";
import { EventQueue } from "../../../src/driver/history/eventQueue.ts";
import { type TaskHistory, toStored } from "../../../src/driver/history/taskHistory.ts";
import { historyOf } from "../../../src/driver/recovery/recovery.ts";
import {
  decodeHandle,
  encodeHandle,
  type HandleState,
  handleOf,
} from "../../../src/driver/recovery/taskHandle.ts";
import type { DriverServices } from "../../../src/driver/services.ts";
import type { TaskOptions } from "../../../src/effects/parts.ts";
import { fold, initialSnapshot, step } from "../../../src/machines/taskMachine.ts";
import type { EventStore } from "../../../src/store/eventStore.ts";
import { event } from "../../support/history/history.ts";
import { memoryEventStore } from "../../support/history/memoryEventStore.ts";

const taskId = toTaskId("alloc/web/00000001");
const running = fold([event("requested"), event("fingerprinted"), event("sandboxed"), event("started")]);
const state: HandleState = handleOf(taskId, running);
const lost = event("lost");

describe("a task's handle", () => {
  it("contains what is needed to find the task, and can be decoded to the same value", () => {
    expect(decodeHandle(encodeHandle(state))).toEqual(state);
    expect(state).toMatchObject({ taskId, init: { pid: 200 }, task: { pid: 201 }, bootId: "b0", uid: 80001 });
  });

  it("does not exist before the task has started", () => {
    expect(() => handleOf(taskId, initialSnapshot)).toThrow(/has not started/);
  });

  it("is refused for any other bytes, without a crash", () => {
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

describe("a task that is known only by its handle", () => {
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
      options: { egressDenied: [] },
      log: { warn: () => undefined },
      unclaimed: new Map(),
    }) as unknown as DriverServices;

  it("has a history from the handle, which is stored with the first event", async () => {
    const given = services();
    const history = await historyOf({ taskId, driverState: encodeHandle(state), request }, given);
    expect(history.snapshot.value).toBe("running");
    expect(history.snapshot.context).toMatchObject({
      process: { init: state.init, task: state.task, bootId: "b0" },
      startedAt: state.startedAt,
      sandbox: { runFolder: state.runFolder, oomKills: state.oomKills },
    });
    expect(history.version).toBe(0);
    expect(history.unstored?.map(({ type }) => type)).toEqual([
      "requested",
      "fingerprinted",
      "sandboxed",
      "started",
    ]);
    await new EventQueue(given.store, taskId, 0, history.unstored).append(
      toStored(lost, step(running, lost)),
    );
    const again = await historyOf({ taskId, driverState: new Uint8Array(), request }, given);
    expect(again).toMatchObject({ snapshot: { value: "lost" }, version: 5 });
  });

  it("has the history that was read when the plugin was configured, which is not read again", async () => {
    const history: TaskHistory = { snapshot: running, version: 4 };
    const read = () => {
      throw new Error("the log is read");
    };
    const given = {
      ...services(),
      store: { readStream: read, version: read } as unknown as EventStore,
      unclaimed: new Map([[taskId, history]]),
    };
    expect(await historyOf({ taskId, driverState: new Uint8Array(), request }, given)).toBe(history);
  });

  it("has the history from the handle if the log cannot be read, and its stream continues after the last event", async () => {
    const given = services();
    const unreadable = () => {
      throw new DriverError("STORE_FAILED", "event 2 is damaged");
    };
    const damaged = {
      ...given,
      store: { readStream: unreadable, version: () => 7 } as unknown as EventStore,
    };
    const handle = { taskId, driverState: encodeHandle(state), request };
    expect(await historyOf(handle, damaged)).toMatchObject({
      snapshot: { value: "running" },
      version: 7,
      unstored: [],
    });
    const gone = {
      ...given,
      store: { readStream: unreadable, version: unreadable } as unknown as EventStore,
    };
    expect(await historyOf(handle, gone)).toMatchObject({ snapshot: { value: "running" }, version: 0 });
    await expect(historyOf({ ...handle, driverState: Buffer.from("?") }, damaged)).rejects.toMatchObject({
      code: "HANDLE_INVALID",
    });
  });

  it("is refused with another task's handle", async () => {
    const other = encodeHandle({ ...state, taskId: toTaskId("alloc/web/00000002") });
    await expect(historyOf({ taskId, driverState: other, request }, services())).rejects.toMatchObject({
      code: "HANDLE_INVALID",
    });
  });
});
