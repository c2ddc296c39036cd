import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { CommandHistory } from "../../../src/driver/exec/commandHistory.ts";
import type { RecordedTask } from "../../../src/driver/history/recordedTask.ts";
import type { EventData, EventType, TaskEvent } from "../../../src/machines/events.ts";
import { fold, step } from "../../../src/machines/taskMachine.ts";
import { event } from "../../support/history/history.ts";

const minute = 60_000;
const check = { command: "/bin/check", user: "nomad-80001", terminal: false };

/** Commands of a running task, and their recorded events. */
function setUp() {
  const begun = ["requested", "fingerprinted", "sandboxed", "started"] as const;
  const events: TaskEvent[] = begun.map((type) => event(type));
  let snapshot = fold(events);
  const task = {
    get snapshot() {
      return snapshot;
    },
    get state() {
      return snapshot.value;
    },
    record: async <T extends EventType>(type: T, data: EventData<T>) => {
      const next = { type, time: Date.now(), data } as TaskEvent;
      const taken = step(snapshot, next);
      if (taken.accepted) events.push(next);
      snapshot = taken.snapshot;
      return taken.accepted;
    },
  } as Partial<RecordedTask> as RecordedTask;
  const history = new CommandHistory(task);
  return {
    history,
    task,
    async run(exitCode = 0) {
      const command = history.begin({ ...check, process: { pid: 4711, startTicks: 1 } });
      expect(await command.started).toBe(true);
      await command.ended({ exitCode, signal: 0, reason: "ended" });
    },
    recorded: () =>
      events.slice(begun.length).map(({ type, data }) => {
        if (type === "execsRepeated") return data.repetitions.map(({ exitCode, count }) => [exitCode, count]);
        return "exec" in data ? `${type} ${data.exec}` : type;
      }),
  };
}

const separate = [1, 2, 3].flatMap((exec) => [`execStarted ${exec}`, `execExited ${exec}`]);

describe("the commands of a task", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("are recorded one by one at first, and later together, with growing pauses", async () => {
    const { run, recorded } = setUp();
    for (let times = 0; times < 3; times++) await run();
    expect(recorded()).toEqual(separate);
    await run();
    for (let times = 0; times < 10; times++) await run();
    expect(recorded()).toEqual([...separate, [[0, 1]]]);
    vi.advanceTimersByTime(minute);
    expect(recorded()).toEqual([...separate, [[0, 1]], [[0, 10]]]);
  });

  it("take little space in the log, even with a check each second for a day", async () => {
    const { run, recorded } = setUp();
    for (let passed = 0; passed < 24 * 60; passed++) {
      for (let times = 0; times < 60; times++) await run();
      vi.advanceTimersByTime(minute);
    }
    expect(recorded().length).toBeLessThan(separate.length + 40);
  });

  it("are recorded at once when their end changes", async () => {
    const { run, recorded } = setUp();
    for (let times = 0; times < 10; times++) await run();
    await run(1);
    expect(recorded().at(-1)).toEqual([
      [0, 6],
      [1, 1],
    ]);
  });

  it("are recorded before the task's end, and later ones at once", async () => {
    const { run, recorded, history, task } = setUp();
    for (let times = 0; times < 10; times++) await run();
    await history.close();
    expect(recorded().at(-1)).toEqual([[0, 6]]);
    const late = history.begin({ ...check, process: { pid: 4711, startTicks: 1 } });
    const [exited] = [event("exited")];
    await task.record("exited", exited.data as EventData<"exited">);
    await late.ended({ exitCode: 137, signal: 9, reason: "ended" });
    expect(recorded().slice(-2)).toEqual(["exited", [[137, 1]]]);
  });

  it("cannot be added to an ended task", async () => {
    const { run, history, task } = setUp();
    for (let times = 0; times < 4; times++) await run();
    await task.record("exited", event("exited").data as EventData<"exited">);
    expect(await history.begin({ ...check, process: { pid: 1, startTicks: 1 } }).started).toBe(false);
  });

  it("are all counted in the task's context", async () => {
    const { run, history, task } = setUp();
    for (let times = 0; times < 20; times++) await run();
    await history.record();
    expect(task.snapshot.context.execs).toEqual({ last: 3, counted: 17, running: [] });
  });
});
