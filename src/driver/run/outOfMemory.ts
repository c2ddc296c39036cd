/** What a lack of memory had to do with a task's end. Pure. */
import type { EventData } from "../../machines/events.ts";
import type { TaskContext } from "../../machines/taskContext.ts";

/** A task that is going to end because a process of it was killed does so within this time. */
const consequenceMs = 10_000;

/**
 * Whether a lack of memory ended the task, where it ended badly: the kernel killed
 * something that nobody has told of yet, or has done so a moment ago. A worker
 * that was killed hours before did not end it.
 * @param oom all that happened in the run's time
 * @param survived the last time that the task was seen to go on after it
 */
export function wasFatal(
  oom: EventData<"exited">["oom"],
  survived: TaskContext["oom"],
  endedAt: number,
): boolean {
  if (oom === null) return false;
  return survived === null || oom.kills > survived.kills || endedAt - survived.at <= consequenceMs;
}
