import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { endedBefore } from "../../../src/cli/commands/archive/endedRuns.ts";
import { formatDay } from "../../../src/units/times.ts";
import { life } from "../../support/history/history.ts";
import { RecordedLog } from "../../support/history/recordedLog.ts";

const day = 86_400_000;
const begin = 1_700_000_000_000;
const idOf = (index: number) => `alloc/task${index}/0`;

/** A log of tasks that ended at these times, in this order. */
function logOf(ends: readonly number[]): RecordedLog {
  const log = new RecordedLog();
  for (const [index, time] of ends.entries()) {
    log.add(
      idOf(index),
      life("failed").map((event) => ({ ...event, time })),
    );
  }
  return log;
}

function runsOf(log: RecordedLog) {
  const reader = log.reader();
  return Array.from(reader.streams(), (head) => ({ id: head.stream, head, reader }));
}

/** The runs as a log lists them. A bundle does not have the states. */
function listedRunsOf(log: RecordedLog) {
  return runsOf(log).map(({ head, ...run }) => ({ ...run, head: { ...head, state: "destroyed" } }));
}

const found = (log: RecordedLog, time: number) =>
  endedBefore(runsOf(log), time).map(({ run, day: of }) => [run.id, of]);

describe("tasks that ended before a time", () => {
  it("are those whose last event is not after that time, each with its day, in order", () => {
    const gaps = fc.array(fc.integer({ min: 0, max: 2 * day }), { maxLength: 20 });
    fc.assert(
      fc.property(gaps, fc.integer({ min: -day, max: 20 * day }), (all, at) => {
        let time = begin;
        const ends = all.map((gap) => (time += gap));
        const old = ends.flatMap((end, index) => (end <= begin + at ? [[idOf(index), formatDay(end)]] : []));
        expect(found(logOf(ends), begin + at)).toEqual(old);
      }),
      { numRuns: 50 },
    );
  });

  it("are found with few reads", () => {
    const ends = Array.from({ length: 500 }, (_, index) => begin + index * 60_000);
    const runs = listedRunsOf(logOf(ends));
    const [{ reader }] = runs as [(typeof runs)[number]];
    const read = vi.spyOn(reader, "readStream");
    expect(endedBefore(runs, begin + 400 * 60_000)).toHaveLength(401);
    expect(read.mock.calls.length).toBeLessThan(30);
  });

  it("are found even if last events are damaged: such a task gets the time of the next task's end", () => {
    const log = logOf([begin, begin + day, begin + 2 * day, begin + 9 * day]);
    // The last records of the second task and of the newest task.
    for (const index of [7, 15]) log.flip(index, 200);
    const runs = listedRunsOf(log);
    const ids = endedBefore(runs, begin + 3 * day).map(({ run }) => run.id);
    expect(ids).toEqual([0, 1, 2].map(idOf));
  });

  it("are found after the host's clock was once far ahead", () => {
    const ends = [0, 1, 400, 401, 2, 3, 4, 5, 6, 7, 30].map((days) => begin + days * day);
    expect(found(logOf(ends), begin + 10 * day).map(([id]) => id)).toEqual(
      Array.from({ length: 10 }, (_, index) => idOf(index)),
    );
  });
});
