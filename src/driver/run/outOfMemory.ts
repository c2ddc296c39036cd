/** Whether an OOM kill ended a task. Pure. */
import type { EventData } from "../../machines/events.ts";
import type { TaskContext } from "../../machines/taskContext.ts";

/** If the OOM kill of a process ends its task, it does so within this time. */
const consequenceMs = 10_000;

/**
 * Whether an OOM kill ended a task that has failed: there is a kill that was not
 * seen while it ran, or that was seen a moment ago. A worker that was killed hours before
 * did not end the task.
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
