/** A name means one of a task's runs, and the output has a note on the others. */
import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { localAllocationId } from "../../../src/base/taskId.ts";
import { chooseRun, newest, onlyRunning } from "../../../src/cli/histories/chosenRun.ts";
import { findRuns } from "../../../src/history/replay/findTask.ts";
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
  return runsOf(
    names.map((name) => ({ life: name })),
    beginsAt,
  );
}

interface Run {
  readonly life: string;
  readonly jobId?: string;
  readonly allocId?: string;
}

/** A log with runs of several jobs' tasks, which all have the same name. */
function runsOf(runs: readonly Run[], beginsAt = 1_000) {
  const log = new RecordedLog();
  for (const [
    index,
    { life: name, jobId = "shop", allocId = `${index}${name}-${beginsAt}` },
  ] of runs.entries()) {
    const [, ...later] = lives[name] ?? [];
    const events = [event("requested", { jobId, allocId }), ...later];
    log.add(
      `${allocId}/web/${index}`,
      events.map((each) => ({ ...each, time: beginsAt + index * 100 })),
    );
  }
  const reader = log.reader();
  return Array.from(reader.streams(), (head) => ({ id: head.stream, head, reader }));
}

const chosen = (names: readonly string[], back?: number) => {
  const { id, note } = chooseRun("web", logOf(names), back);
  return [id.split("-")[0], note];
};

const ambiguous = (message: string) =>
  expect.objectContaining({ code: "TASK_AMBIGUOUS", message: expect.stringContaining(message) });

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

  it("is none of several running runs, which the error lists", () => {
    expect(() => chosen(["running", "done", "running"])).toThrow(ambiguous("2 running tasks match web:"));
  });

  it("is none of several jobs' runs, if their tasks have the same name and none is running", () => {
    const runs = runsOf([
      { life: "failed", jobId: "shop" },
      { life: "done", jobId: "blog" },
      { life: "done", jobId: "shop" },
    ]);
    for (const back of [undefined, 0, 1]) {
      expect(() => chooseRun("web", runs, back)).toThrow(
        expect.objectContaining({
          code: "TASK_AMBIGUOUS",
          summary: expect.stringMatching(
            /^2 tasks match web:\n {2}2done-10\/web of job shop, .*: exit 0\n {2}1done-10\/web of job blog, .*: exit 0$/,
          ),
        }),
      );
    }
  });

  it("is the only running one, and other jobs' runs are none of its runs", () => {
    const runs = runsOf([
      { life: "failed", jobId: "blog" },
      { life: "crashed", jobId: "shop" },
      { life: "running", jobId: "shop" },
    ]);
    expect(chooseRun("web", runs, undefined).note).toBe("running of 2 runs; others: SIGSEGV");
  });

  it("is one of any task's, if there is no name", () => {
    const runs = runsOf([
      { life: "failed", jobId: "shop" },
      { life: "done", jobId: "blog" },
    ]);
    expect(chooseRun(undefined, runs, undefined)).toMatchObject({
      id: "1done-1000/web/1",
      note: "newest of 2 runs of 2 tasks; others: exit 1",
    });
    expect(chooseRun(undefined, runs, 1)).toMatchObject({ id: "0failed-1000/web/0" });
  });

  it("is of one instance of a local run's group", () => {
    const [first, second] = [0, 1].map((index) => localAllocationId(randomUUID(), index));
    const runs = runsOf(
      [first, second, first].map((allocId) => ({ life: "done", ...(allocId && { allocId }) })),
    );
    expect(() => chooseRun("web", runs, undefined)).toThrow(ambiguous("2 tasks match web:"));
    expect(chooseRun("web[0]", findRuns("web[0]", runs), undefined)).toMatchObject({
      id: `${first}/web/2`,
      note: "newest of 2 runs; others: exit 0",
    });
  });

  it("comes with a note on the last hundred other runs if there are more", () => {
    const names = Array.from({ length: 120 }, (_, index) => (index < 30 ? "crashed" : "done"));
    expect(chosen(names)[1]).toBe("newest of 120 runs; last 100 others: exit 0 ×89, SIGSEGV ×11");
  });
});

describe("a name of very many runs", () => {
  it("is decided by the newest of them", () => {
    const names = Array.from({ length: 600 }, () => "done");
    expect(chosen(names)[1]).toBe("newest of 500 or more runs; last 100 others: exit 0 ×100");
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
    expect(() => onlyRunning("web", logOf(["running", "done", "running"]))).toThrow(ambiguous("match web"));
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
