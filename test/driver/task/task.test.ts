import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { DriverError } from "../../../src/base/errors.ts";
import { toTaskId } from "../../../src/base/taskId.ts";
import { type CommittedStep, Task } from "../../../src/driver/task/task.ts";
import { EVENT_SCHEMA_VERSION, type EventType } from "../../../src/machines/events.ts";
import {
  initialSnapshot,
  isPreparation,
  step,
  type TaskSnapshot,
} from "../../../src/machines/taskMachine.ts";
import { allLives, event, life, sampleData } from "../../support/history/history.ts";
import { refusingStore } from "../../support/history/memoryEventStore.ts";
import { runThat } from "../../support/plugin/fakeDriver.ts";

function setUp() {
  const store = refusingStore();
  const log: string[] = [];
  const committed: CommittedStep[] = [];
  const task = new Task(toTaskId("alloc/web/1"), {
    store,
    now: () => 42,
    createRun: (of) => runThat((name) => log.push(`${name} while ${of.state}`)),
    onCommitted: (step) => {
      log.push(`${step.event.type} committed`);
      committed.push(step);
    },
    onStoreFailure: (_task, error) => log.push(`refused: ${error.code}`),
  });
  const record = (type: EventType) => task.record(type, sampleData(type));
  const walk = async (...types: EventType[]) => {
    for (const type of types) await record(type);
  };
  return { store, log, committed, task, record, walk };
}

const toRunning: EventType[] = ["requested", "fingerprinted", "sandboxed", "started"];

describe("recording a fact", () => {
  it("commits the fact before its effects start; only preparations start earlier", async () => {
    const { log, walk } = setUp();
    await walk(...toRunning);
    expect(log).toEqual([
      "inspectHost while pending",
      "requested committed",
      "prepareSandbox while pending",
      "fingerprinted committed",
      "sandboxed committed",
      "launch while sandboxed",
      "started committed",
      "watchExit while running",
    ]);
  });

  it.each(allLives)(
    "executes no action before the store has the event, except preparations: %s",
    async (name) => {
      const { store, log, record } = setUp();
      const append = store.append.bind(store);
      store.append = async (...request) => {
        for (let turn = 0; turn < 3; turn++) await nextTurn();
        const stored = await append(...request);
        log.push(...stored.map(({ type }) => `${type} stored`));
        return stored;
      };
      let snapshot = initialSnapshot;
      for (const { type } of life(name)) {
        log.length = 0;
        const { to, effects, ...taken } = step(snapshot, event(type));
        const [early, late] = [effects.filter(isPreparation), effects.filter((each) => !isPreparation(each))];
        await record(type);
        expect(log, type).toEqual([
          ...early.map((effect) => `${effect} while ${snapshot.value}`),
          `${type} stored`,
          `${type} committed`,
          ...late.map((effect) => `${effect} while ${to}`),
        ]);
        snapshot = taken.snapshot;
      }
    },
  );

  it("stores the event with the machine's states and effects", async () => {
    const { store, walk } = setUp();
    await walk("requested", "fingerprinted");
    expect([...store.readStream("alloc/web/1")]).toMatchObject([
      {
        seq: 1,
        type: "requested",
        time: 42,
        schema: EVENT_SCHEMA_VERSION,
        from: "pending",
        to: "pending",
        effects: ["inspectHost"],
      },
      { seq: 2, type: "fingerprinted", from: "pending", to: "fingerprinted", effects: ["prepareSandbox"] },
    ]);
  });

  it("stores no fact that the machine refuses", async () => {
    const { store, record } = setUp();
    expect(await record("exited")).toBe(false);
    expect(store.appends).toBe(0);
  });

  it("never shows a state whose events are not committed", async () => {
    const { task, record, walk } = setUp();
    await walk("requested");
    const recording = record("fingerprinted");
    expect(task.state).toBe("pending");
    await recording;
    expect(task.state).toBe("fingerprinted");
  });
});

describe("a store that refuses events", () => {
  const typesOf = ({ store, task }: ReturnType<typeof setUp>) =>
    [...store.readStream(task.id)].map(({ type }) => type);

  it("does not hide a task's end, and gets the task's events later, in order", async () => {
    const given = setUp();
    const { store, log, task, walk } = given;
    await walk(...toRunning);
    store.full = true;
    await walk("signalled", "exited", "destroyed");
    expect(task.state).toBe("destroyed");
    expect(log.filter((line) => line === "refused: STORE_FAILED")).toHaveLength(3);
    expect(typesOf(given)).toEqual(toRunning);
    await expect(task.stored()).rejects.toMatchObject({ code: "STORE_FAILED" });
    store.full = false;
    await task.stored();
    expect(typesOf(given)).toEqual([...toRunning, "signalled", "exited", "destroyed"]);
  });

  it("fails a task that has not started, and its history ends there", async () => {
    const given = setUp();
    const { store, log, task, record, walk } = given;
    await walk("requested", "fingerprinted");
    store.full = true;
    log.length = 0;
    await expect(record("sandboxed")).rejects.toMatchObject({ code: "STORE_FAILED" });
    expect(log).toEqual(["refused: STORE_FAILED"]);
    store.full = false;
    await task.stored();
    expect(typesOf(given)).toEqual(["requested", "fingerprinted", "startFailed"]);
    expect([...store.readStream(task.id)].at(-1)).toMatchObject({
      from: "fingerprinted",
      to: "failed",
      data: { code: "STORE_FAILED" },
    });
  });

  it("does not end a task that has started", async () => {
    const given = setUp();
    const { store, task, record, walk } = given;
    await walk("requested", "fingerprinted", "sandboxed");
    store.full = true;
    expect(await record("started")).toBe(true);
    expect(task.state).toBe("running");
    store.full = false;
    await task.stored();
    expect(typesOf(given)).toEqual(toRunning);
  });

  it("prevents all later steps of a failed start, even if it accepts events again", async () => {
    const { store, log, record, walk } = setUp();
    await walk("requested");
    store.full = true;
    const together = [record("fingerprinted"), record("sandboxed")];
    for (const each of together) await expect(each).rejects.toMatchObject({ code: "STORE_FAILED" });
    store.full = false;
    log.length = 0;
    expect(await record("sandboxed")).toBe(false);
    expect(await record("startFailed")).toBe(false);
    expect(log).toEqual([]);
  });

  it("keeps the reason of an earlier failure", async () => {
    const { store, task, record, walk } = setUp();
    await walk("requested");
    store.full = true;
    await expect(record("startFailed")).rejects.toMatchObject({ code: "STORE_FAILED" });
    store.full = false;
    await task.stored();
    expect([...store.readStream(task.id)].map(({ data }) => data)).toEqual([
      sampleData("requested"),
      sampleData("startFailed"),
    ]);
  });

  it("has no trace of a start whose events it has all refused", async () => {
    const given = setUp();
    const { store, log, task, record } = given;
    store.full = true;
    await expect(record("requested")).rejects.toMatchObject({ code: "STORE_FAILED" });
    store.full = false;
    await task.stored();
    expect(typesOf(given)).toEqual([]);
    expect(log).toEqual(["inspectHost while pending"]);
  });
});

describe("waiting for a state", () => {
  const isExited = (snapshot: TaskSnapshot) => snapshot.value === "exited";

  it("resolves at once if the state is reached, otherwise later", async () => {
    const { task, walk } = setUp();
    await walk(...toRunning);
    const waiting = task.reached(isExited);
    await walk("exited");
    expect((await waiting).value).toBe("exited");
    expect((await task.reached(isExited)).value).toBe("exited");
  });

  it("ends with the signal's reason", async () => {
    const { task } = setUp();
    const controller = new AbortController();
    const waiting = task.reached(isExited, { signal: controller.signal });
    controller.abort(new Error("the agent hung up"));
    await expect(waiting).rejects.toThrow("the agent hung up");
  });

  it("ends when it takes too long", async () => {
    const { task } = setUp();
    await expect(task.reached(isExited, { withinMs: 1 })).rejects.toMatchObject({
      code: "TASK_STILL_RUNNING",
    });
  });

  it("rejects with the task's error, also for later callers", async () => {
    const { task } = setUp();
    const waiting = task.reached(isExited);
    task.abandon(new DriverError("STORE_FAILED", "disk full"));
    await expect(waiting).rejects.toThrow("disk full");
    await expect(task.reached(isExited)).rejects.toThrow("disk full");
  });
});
