/** Decides whether an OOM kill ended a task. Pure. */
import type { EventData } from "../../machines/events.ts";
import type { TaskContext } from "../../machines/taskContext.ts";

/** An OOM kill counts as the cause of a task's end for this long. */
const consequenceMs = 10_000;

/**
 * Whether an OOM kill ended a failed task. True if there is a kill that was not noticed while the task ran,
 * or that was noticed a moment ago. A worker that was killed hours before did not end the task.
 * @param oom all OOM kills of the run
 * @param survived the last OOM kill after which the task was seen to go on
 */
export function wasFatal(
  oom: EventData<"exited">["oom"],
  survived: TaskContext["oom"],
  endedAt: number,
): boolean {
  if (oom === null) return false;
  return survived === null || oom.kills > survived.kills || endedAt - survived.at <= consequenceMs;
}
