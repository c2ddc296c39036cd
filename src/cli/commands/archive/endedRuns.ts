/**
 * Finds the tasks that ended before a given time, without reading every task's last event. The tasks are
 * sorted by the positions of their last events. In this order the events' times ascend, unless the host's
 * clock was set back. So a binary search reads only a few of these events.
 */
import { partitionPoint } from "../../../base/partitionPoint.ts";
import { formatDay } from "../../../units/times.ts";
import { type FoundRun, isRunning } from "../../histories/chosenRun.ts";

export interface EndedRun {
  readonly run: FoundRun;
  /** The day of the run's last event, such as `2026-11-24`. */
  readonly day: string;
}

/** @param time milliseconds since the epoch */
export function endedBefore(runs: readonly FoundRun[], time: number): EndedRun[] {
  const ended = runs.filter((run) => !isRunning(run));
  return [...Map.groupBy(ended, ({ reader }) => reader).values()].flatMap((ofLog) => {
    const inOrder = byLastEvent(ofLog);
    const timeOf = timesOf(inOrder);
    const old = partitionPoint(0, inOrder.length, (index) => timeOf(index) <= time);
    return [...daysOf(old, timeOf)].flatMap(({ day, from, to }) =>
      inOrder.slice(from, to).map((run) => ({ run, day })),
    );
  });
}

/** @param runs of one log */
function byLastEvent(runs: readonly FoundRun[]): FoundRun[] {
  const byFirst = runs.toSorted((a, b) => a.head.firstPosition - b.head.firstPosition);
  const last = byFirst[0]?.reader.lastPositions(byFirst.map(({ head }) => head)) ?? [];
  return byFirst
    .map((run, index) => ({ run, position: last[index] ?? 0 }))
    .sort((a, b) => a.position - b.position)
    .map(({ run }) => run);
}

/**
 * Returns a function that reads the time of a run's last event. If that event is damaged, the function takes
 * the time of the next run with an intact last event.
 */
function timesOf(runs: readonly FoundRun[]): (index: number) => number {
  const known = new Map<number, number>();
  return (index) => {
    const time = known.get(index) ?? timeFrom(runs, index);
    known.set(index, time);
    return time;
  };
}

function timeFrom(runs: readonly FoundRun[], index: number): number {
  for (let at = index; at < runs.length; at++) {
    const { reader, head } = runs[at] as FoundRun;
    try {
      for (const { time } of reader.readStream(head.stream, head.version)) return time;
    } catch {
      // The event is damaged.
    }
  }
  return Number.POSITIVE_INFINITY;
}

interface Day {
  readonly day: string;
  /** Index of the day's first run, and the index after its last run. */
  readonly from: number;
  readonly to: number;
}

function* daysOf(count: number, timeOf: (index: number) => number): Generator<Day> {
  for (let from = 0; from < count; ) {
    const day = formatDay(timeOf(from));
    const to = partitionPoint(from + 1, count, (index) => formatDay(timeOf(index)) <= day);
    yield { day, from, to };
    from = to;
  }
}
