/** A task as one row of the list. Pure. */
import type { TaskContext } from "../machines/taskContext.ts";
import { taskName } from "../replay/chooseTask.ts";

/** What is not known is null; times are milliseconds since the epoch. */
export interface TaskSummary {
  /** `<allocation id>/<task name>/<8 hex digits>`. */
  readonly id: string;
  readonly task: string;
  readonly allocation: string;
  readonly job: string;
  readonly group: string;
  readonly namespace: string;
  readonly state: string;
  /** Number of its last event. */
  readonly events: number;
  readonly begunAt: number;
  /** When its last event happened. */
  readonly changedAt: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  /** From the request to the running program. */
  readonly startMs: number | null;
  readonly exitCode: number | null;
  readonly signal: number | null;
  /** How it ended, or why it never started; empty while it runs. */
  readonly end: string;
  /** It ended as nobody had asked it to. */
  readonly bad: boolean;
  /** Earlier runs of the same task in the same allocation. */
  readonly restarts: number;
  /** How often another plugin process took it over. */
  readonly recoveries: number;
}

/** What is known beside the context. */
export interface SummaryPlace {
  readonly id: string;
  readonly state: string;
  readonly events: number;
  readonly begunAt: number;
  readonly changedAt: number;
  readonly end: string;
  readonly restarts: number;
}

export function summaryOf(place: SummaryPlace, context: TaskContext): TaskSummary {
  const { request, startedAt, exit, adopted, failure, lostReason, recoveries } = context;
  const started = startedAt !== null && adopted === null;
  return {
    ...place,
    task: taskName(place.id),
    allocation: place.id.split("/")[0] ?? "",
    job: request?.jobId ?? "",
    group: request?.groupName ?? "",
    namespace: request?.namespace ?? "",
    startedAt,
    endedAt: exit?.endedAt ?? (failure !== null || lostReason !== null ? place.changedAt : null),
    startMs: started ? Math.max(0, startedAt - place.begunAt) : null,
    exitCode: exit !== null && exit.source !== "unknown" ? exit.exitCode : null,
    signal: exit?.signal || null,
    bad: isBad(context),
    recoveries,
  };
}

function isBad({ exit, stop, forceKilled, failure, lostReason }: TaskContext): boolean {
  if (failure !== null || lostReason !== null) return true;
  if (exit === null) return false;
  if (exit.oomKilled || stop?.timedOut === true || exit.source === "unknown") return true;
  return (exit.exitCode !== 0 || exit.signal !== 0) && stop === null && !forceKilled;
}
