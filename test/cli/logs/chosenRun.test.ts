/** A name means one of a task's runs, and the output has a note on the others. */
import { describe, expect, it } from "vitest";
import { chooseRun, newest, onlyRunning } from "../../../src/cli/logs/chosenRun.ts";
import type { TaskEvent } from "../../../src/machines/events.ts";
import { event, life } from "../../support/history/history.ts";
import { RecordedLog } from "../../support/history/recordedLog.ts";

const begun = life("ended").slice(0, 4);
const ended = (data: Parameters<typeof event<"exited">>[1]) => [
  ...begun,
  event("exited", data),
  event("destroyed"),
];
const lives: Record<string, readonly TaskEvent[]> = {
  running: begun,
  failed: ended({ exitCode: 1 }),
  crashed: ended({ exitCode: 139, signal: 11 }),
  done: ended({ exitCode: 0 }),
};

/** A log with runs of one task in this order; the first begins at the given time. */
function logOf(names: readonly string[], beginsAt = 1_000) {
  const log = new RecordedLog();
  for (const [index, name] of names.entries()) {
    const events = lives[name] ?? [];
    log.add(
      `${index}${name}-${beginsAt}/web/1`,
      events.map((each) => ({ ...each, time: beginsAt + index * 100 })),
    );
  }
  const reader = log.reader();
  return Array.from(reader.streams(), (head) => ({ id: head.stream, head, reader }));
}

const chosen = (names: readonly string[], back?: number) => {
  const { id, note } = chooseRun(logOf(names), back);
  return [id.split("-")[0], note];
};

describe("the run that a name means", () => {
  it("is the only run, without a note on others", () => {
    expect(chosen(["done"])).toEqual(["0done", undefined]);
  });

  it("is the newest run, with the outcomes of the others", () => {
    const names = ["failed", "failed", "crashed", "failed", "failed", "done"];
    expect(chosen(names)).toEqual(["5done", "newest of 6 runs; others: exit 1 ×4, SIGSEGV"]);
  });

  it("is a run that has not ended, rather than a newer run that has ended", () => {
    expect(chosen(["failed", "running", "done"])).toEqual([
      "1running",
      "running of 3 runs; others: exit 0, exit 1",
    ]);
  });

  it("is an earlier run on request", () => {
    expect(chosen(["failed", "running", "done"], 0)).toEqual([
      "2done",
      "newest of 3 runs; others: running, exit 1",
    ]);
    expect(chosen(["failed", "running", "done"], 2)).toEqual([
      "0failed",
      "run -2 of 3 runs; others: exit 0, running",
    ]);
    expect(() => chosen(["failed", "done"], 2)).toThrow("there is no run -2: the log holds 2 runs");
  });

  it("comes with a note on the last hundred other runs if there are more", () => {
    const names = Array.from({ length: 120 }, (_, index) => (index < 30 ? "crashed" : "done"));
    expect(chosen(names)[1]).toBe("newest of 120 runs; last 100 others: exit 0 ×89, SIGSEGV ×11");
  });
});

describe("runs of several logs", () => {
  it("are ordered by the clock", () => {
    const runs = [...logOf(["failed", "done"], 1_000), ...logOf(["crashed", "failed"], 1_050)];
    expect(newest(runs, 3).map(({ id }) => id.split("/")[0])).toEqual([
      "1failed-1050",
      "1done-1000",
      "0crashed-1050",
    ]);
  });
});

describe("the running task that a name means", () => {
  it("is the only task that has not ended", () => {
    expect(onlyRunning("web", logOf(["failed", "running", "done"])).id).toBe("1running-1000/web/1");
  });

  it("is ambiguous if several tasks run: the error has job, time and state of each", () => {
    expect(() => onlyRunning("web", logOf(["running", "done", "running"]))).toThrow(
      /^2 running tasks match web:\n {2}2running\/web of job \S+, begun \S+ \S+: running\n {2}0running\/web .*: running\. Name one with its allocation, such as 0running\/web$/,
    );
  });

  it("does not exist if all tasks have ended: the error has the last end", () => {
    expect(() => onlyRunning("web", logOf(["failed", "crashed"]))).toThrow(
      /^web is not running: 1crashed\/web of job \S+, begun \S+ \S+: SIGSEGV$/,
    );
  });
});
