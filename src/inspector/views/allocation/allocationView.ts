/** An allocation for the page: its tasks, and the runs of each task. Pure. */
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
  /** The newest runs, oldest first. */
  readonly runs: readonly LaneRun[];
  /** Number of older runs that are left out. */
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

/** Maximum number of runs of a task on the page, for tasks that are restarted every minute for hours. */
const maxRuns = 500;

/** Groups runs by task. Tasks are in the order of their first start, and runs oldest first. */
function runsByTask(rows: readonly TaskSummary[]): Map<string, TaskSummary[]> {
  return Map.groupBy(
    rows.toSorted((a, b) => a.begunAt - b.begunAt),
    ({ task }) => task,
  );
}

/** The runs of an allocation that a page shows. */
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
