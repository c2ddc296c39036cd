import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { DriverError, type ErrorCode } from "../../../src/base/errors.ts";
import { toTaskId } from "../../../src/base/taskId.ts";
import { UnsavedEvents } from "../../../src/driver/history/unsavedEvents.ts";
import { recordingLogger } from "../../support/recordingLogger.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

const refusal = (code: ErrorCode = "STORE_FAILED") => new DriverError(code, "no space left on device");

function setUp() {
  const log = recordingLogger();
  const unsaved = new UnsavedEvents(log);
  /** Every attempt to store, in order. */
  const attempts: string[] = [];
  let refuses: ErrorCode | undefined = "STORE_FAILED";
  const task = (id: string) => ({
    id: toTaskId(id),
    stored: async () => {
      attempts.push(id);
      if (refuses !== undefined) throw refusal(refuses);
    },
  });
  return {
    log,
    unsaved,
    attempts,
    task,
    answer: (code: ErrorCode | undefined) => {
      refuses = code;
    },
  };
}

const hour = 3_600_000;

describe("events that the log refused", () => {
  it("are stored as soon as the log accepts them", async () => {
    const { unsaved, attempts, task, answer } = setUp();
    const web = task("web");
    unsaved.add(web, refusal());
    answer(undefined);
    await vi.advanceTimersToNextTimerAsync();
    expect(attempts).toEqual(["web"]);
    await unsaved.whenStored(web);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("are tried again less and less often, and one task tries for all", async () => {
    const { unsaved, attempts, task } = setUp();
    for (const id of ["a", "b", "c"]) unsaved.add(task(id), refusal());
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(hour);
    expect(new Set(attempts)).toEqual(new Set(["a"]));
    expect(attempts.length).toBeGreaterThan(hour / 30_000 - 10);
    expect(attempts.length).toBeLessThan(hour / 30_000 + 10);
  });

  it("of all tasks are stored once one task's events are stored, including later events", async () => {
    const { unsaved, attempts, task, answer } = setUp();
    const late = task("late");
    unsaved.add({ id: toTaskId("first"), stored: async () => unsaved.add(late, refusal()) }, refusal());
    unsaved.add(task("second"), refusal());
    answer(undefined);
    await vi.advanceTimersToNextTimerAsync();
    expect(attempts).toEqual(["second", "late"]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("are logged once at the beginning and once at the end", async () => {
    const { log, unsaved, task, answer } = setUp();
    const web = task("web");
    for (const each of [web, web, task("db")]) unsaved.add(each, refusal());
    await vi.advanceTimersByTimeAsync(hour);
    expect(log.lines).toMatchObject([
      {
        level: "error",
        message: expect.stringMatching(/tries again$/),
        fields: { code: "STORE_FAILED", error: expect.stringContaining("no space") },
      },
    ]);
    answer(undefined);
    await vi.advanceTimersByTimeAsync(hour);
    expect(log.lines.slice(1)).toMatchObject([
      { level: "info", message: "the event log takes events again" },
    ]);
    // A later refusal begins again with the shortest delay.
    unsaved.add(web, refusal());
    await vi.advanceTimersByTimeAsync(1_000);
    expect(log.lines).toHaveLength(4);
  });

  it("are dropped if no attempt can succeed, because another writer was first", async () => {
    const { log, unsaved, attempts, task, answer } = setUp();
    const web = task("web");
    unsaved.add(web, refusal());
    answer("WRONG_EXPECTED_VERSION");
    await vi.advanceTimersByTimeAsync(hour);
    await unsaved.whenStored(web);
    expect(attempts).toEqual(["web"]);
    expect(log.lines[1]).toMatchObject({ level: "error", fields: { task_id: "web" } });
    unsaved.add(task("db"), refusal("EVENT_INVALID"));
    expect(log.lines.at(-1)).toMatchObject({
      level: "error",
      fields: { task_id: "db", code: "EVENT_INVALID" },
    });
    expect(vi.getTimerCount()).toBe(0);
  });

  it("are tried a last time at the end", async () => {
    const { log, unsaved, attempts, task, answer } = setUp();
    unsaved.add(task("web"), refusal());
    answer(undefined);
    await unsaved.close();
    expect(attempts).toEqual(["web"]);
    expect(log.lines).toHaveLength(1);
    answer("STORE_FAILED");
    unsaved.add(task("db"), refusal());
    await unsaved.close();
    expect(log.lines.at(-1)).toMatchObject({ level: "error", fields: { tasks: 1 } });
    expect(vi.getTimerCount()).toBe(0);
  });
});

it("nothing waits for a task whose events are stored", async () => {
  const { unsaved, attempts, task } = setUp();
  await expect(unsaved.whenStored(task("web"))).resolves.toBeUndefined();
  expect(attempts).toEqual([]);
});
