/** An allocation: its tasks, and of each the runs, on one axis of time. Pure. */
import type { Outcome } from "../outcome.ts";
import type { TaskSummary } from "../taskSummary.ts";
import type { LaneMark, LanePeriod, RunLane } from "./runLane.ts";

export interface AllocationView {
  readonly allocation: string;
  readonly job: string | null;
  readonly group: string | null;
  /** In the order in which they were first started. */
  readonly tasks: readonly TaskLanes[];
}

export interface TaskLanes {
  readonly task: string;
  /** The oldest first. */
  readonly runs: readonly LaneRun[];
  /** Older runs, which are not among them. */
  readonly earlier: number;
}

export interface LaneRun {
  /** The run's id. */
  readonly id: string;
  readonly outcome: Outcome;
  readonly begunAt: number;
  readonly overAt: number | null;
  readonly periods: readonly LanePeriod[];
  readonly marks: readonly LaneMark[];
}

/** A task that is restarted every minute for hours has no more runs on the page than these. */
const maxRuns = 500;

/** The runs of each task, the oldest first; the tasks in the order of their first start. */
function runsByTask(rows: readonly TaskSummary[]): Map<string, TaskSummary[]> {
  return Map.groupBy(
    rows.toSorted((a, b) => a.begunAt - b.begunAt),
    ({ task }) => task,
  );
}

/** Those that a page shows, of all runs of an allocation. */
export function shownRuns(rows: readonly TaskSummary[]): TaskSummary[] {
  return [...runsByTask(rows).values()].flatMap((all) => all.slice(-maxRuns));
}

/**
 * @param rows of the allocation's tasks, one for each run
 * @param laneOf undefined for a run that was removed meanwhile
 */
export function allocationView(
  rows: readonly TaskSummary[],
  laneOf: (id: string) => RunLane | undefined,
): AllocationView | undefined {
  const [first] = rows;
  if (first === undefined) return undefined;
  return {
    allocation: first.allocation,
    job: rows.find(({ job }) => job !== null)?.job ?? null,
    group: rows.find(({ group }) => group !== null)?.group ?? null,
    tasks: Array.from(runsByTask(rows), ([task, all]) => ({
      task,
      runs: all.slice(-maxRuns).flatMap((row) => runOf(row, laneOf(row.id))),
      earlier: Math.max(0, all.length - maxRuns),
    })),
  };
}

function runOf({ id, outcome }: TaskSummary, lane: RunLane | undefined): LaneRun[] {
  if (lane === undefined) return [];
  const { begunAt, overAt, periods, marks } = lane;
  return [{ id, outcome, begunAt, overAt, periods, marks }];
}
