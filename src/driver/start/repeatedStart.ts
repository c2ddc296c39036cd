/**
 * A StartTask whose task is in the log already. If a plugin dies during a start, its
 * agent sends the same start to the next plugin. That start continues where the first
 * one stopped, so that the task neither runs twice nor is refused.
 */
import { isDeepStrictEqual } from "node:util";
import type { EventData } from "../../machines/events.ts";
import { stateName } from "../../machines/fold.ts";
import { isAlive } from "../../machines/taskMachine.ts";
import type { DriverServices } from "../opening/services.ts";
import { settledHistory, storedHistory } from "../recovery/recovery.ts";
import type { TaskHistory } from "../task/task.ts";
import { existsAlready } from "../task/taskErrors.ts";

/**
 * The history to continue: of a failed start, or of a run that is alive or has ended.
 * @returns undefined if the task is not in the log
 * @throws DriverError `TASK_EXISTS` if another request had this id, or if its history is closed
 */
export async function repeatedStart(
  taskId: string,
  requested: EventData<"requested">,
  services: Pick<DriverServices, "store" | "folder" | "log">,
): Promise<TaskHistory | undefined> {
  const stored = storedHistory(taskId, services.store);
  if (stored === undefined) return undefined;
  if (!isRepeated(stored.snapshot.context.request, requested)) throw existsAlready(taskId);
  const history = (await settledHistory(taskId, services)) ?? stored;
  const state = stateName(history.snapshot);
  if (state === "failed" || state === "exited" || isAlive(state)) return history;
  throw existsAlready(taskId);
}

/** Whether another plugin process got the same request. This process has answered all of its own. */
function isRepeated(stored: EventData<"requested"> | null, requested: EventData<"requested">): boolean {
  if (stored === null || stored.plugin.pid === requested.plugin.pid) return false;
  return isDeepStrictEqual(stored, { ...requested, plugin: stored.plugin });
}
