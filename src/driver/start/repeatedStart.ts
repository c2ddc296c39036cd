/**
 * A StartTask whose task the log knows already. An agent whose plugin died
 * during a start sends the same start to the next one: it goes on from where the
 * first has come to, so that the task neither runs twice nor is refused.
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
 * The history to go on from: of a start that failed, or of a run that is alive or has ended.
 * @returns undefined where the log does not know the task
 * @throws DriverError `TASK_EXISTS` where the id is that of another request, or its history is closed
 */
export async function repeatedStart(
  taskId: string,
  requested: EventData<"requested">,
  services: Pick<DriverServices, "store" | "folder" | "log">,
): Promise<TaskHistory | undefined> {
  const known = storedHistory(taskId, services.store);
  if (known === undefined) return undefined;
  if (!isRepeated(known.snapshot.context.request, requested)) throw existsAlready(taskId);
  const history = (await settledHistory(taskId, services)) ?? known;
  const state = stateName(history.snapshot);
  if (state === "failed" || state === "exited" || isAlive(state)) return history;
  throw existsAlready(taskId);
}

/** Told to another plugin process before; what this one was told it has answered. */
function isRepeated(known: EventData<"requested"> | null, asked: EventData<"requested">): boolean {
  if (known === null || known.plugin.pid === asked.plugin.pid) return false;
  return isDeepStrictEqual(known, { ...asked, plugin: known.plugin });
}
