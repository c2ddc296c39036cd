/** The fields that every list of tasks shows, from a task's id and its folded events. Pure. */
import { describeTaskEnd, knownEnd, shortEnd } from "../base/taskEnd.ts";
import { allocationOf, taskName } from "../base/taskId.ts";
import { withCause } from "./events/cause.ts";
import type { MachineState } from "./machineVersion.ts";
import type { TaskContext } from "./taskContext.ts";
import type { TaskResult } from "./taskResults.ts";

/** Unknown values are null. */
export interface TaskOutline {
  /** `<allocation id>/<task name>/<8 hex digits>`. */
  readonly id: string;
  readonly allocation: string;
  readonly task: string;
  readonly group: string | null;
  /** The allocation's number among those of its group, from 0. */
  readonly index: number | null;
  readonly job: string | null;
  readonly namespace: string | null;
  /** The machine's state, or a word that a list shows in its place. */
  readonly state: string;
  /** The task's result; null while the task starts or runs. */
  readonly result: TaskResult | null;
}

export function outlineOf(id: string, { value: state, context }: MachineState): TaskOutline {
  const { request } = context;
  return {
    id,
    allocation: allocationOf(id),
    task: taskName(id),
    group: request?.groupName ?? null,
    index: request?.allocIndex ?? null,
    job: request?.jobId ?? null,
    namespace: request?.namespace ?? null,
    state,
    result: resultOf(context),
  };
}

/** The result of a task; null while it starts or runs. */
export function resultOf({ exit, failure, lostReason, stop, forceKilled }: TaskContext): TaskResult | null {
  if (exit === null) return failure ? "never started" : lostReason === null ? null : "lost";
  if (exit.oomKilled) return "out of memory";
  if (stop?.timedOut === true) return "killed";
  if (exit.source === "unknown") return "lost";
  if (stop !== null || forceKilled) return "stopped";
  if (exit.signal > 0) return "killed";
  return exit.exitCode === 0 ? "completed" : "failed";
}

/** Times of a task's history so far, in milliseconds since the epoch. */
export interface TaskTimes {
  /**
   * Time of the end. For a failed start, the time of the failure; for a lost task, the last time at which it
   * was known to run. Null while the task starts or runs.
   */
  readonly endedAt: number | null;
  /** Time of the last event. */
  readonly changedAt: number;
}

/**
 * The times after an event.
 * @param before the times before the event; undefined for the first event
 * @param context the context after the event
 * @param time of the event
 * @param lastUse reads the time of the last usage sample; called only for a lost task
 */
export function timesAfter(
  before: TaskTimes | undefined,
  context: TaskContext,
  time: number,
  lastUse: () => number | undefined,
): TaskTimes {
  const { exit, failure, lostReason } = context;
  const endedAt = exit?.endedAt ?? before?.endedAt ?? (failure === null ? null : time);
  if (endedAt !== null || lostReason === null) return { endedAt, changedAt: time };
  return { endedAt: Math.max(before?.changedAt ?? time, lastUse() ?? 0), changedAt: time };
}

/**
 * How the task ended, in a few words, for lists that count equal ends: `exit 1`, `SIGSEGV`, `out of memory`,
 * `never started`, `lost`. `running` while the task starts or runs.
 */
export function shortResult(context: TaskContext): string {
  const result = resultOf(context);
  if (result === null) return "running";
  const end = knownEnd(context.exit);
  if (end === null || result === "out of memory") return result;
  return end.signal > 0 ? shortEnd(end) : `exit ${end.exitCode}`;
}

/** How the task ended, or why it never started; empty while it runs. */
export function endText({ exit, failure, lostReason }: TaskContext): string {
  return exit === null ? (failure?.code ?? lostReason ?? "") : withCause(describeTaskEnd(exit), exit);
}
