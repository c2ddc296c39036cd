/** Starts a task, or continues a start that an earlier plugin process did not answer. */

import { isDeepStrictEqual } from "node:util";
import type { TaskRequest } from "../../config/task/taskRequest.ts";
import { envDigest } from "../../effects/files/envDigest.ts";
import type { EventData } from "../../machines/events.ts";
import { hasStarted } from "../../machines/fold.ts";
import { isAlive } from "../../machines/taskMachine.ts";
import type { TaskId } from "../../taskId.ts";
import type { StartedTask } from "../driverPort.ts";
import { requestedEvent } from "../history/startEvents.ts";
import type { TaskHistory } from "../history/taskHistory.ts";
import { readSettled, storedHistory, takeOver } from "../recovery/recovery.ts";
import { encodeHandle, handleOf } from "../recovery/taskHandle.ts";
import type { DriverServices } from "../services.ts";
import { findProgram } from "../start/sandboxPlan.ts";
import { withUser } from "../start/taskUser.ts";
import { existsAlready } from "../taskErrors.ts";
import { end, type TaskTable } from "./taskTable.ts";

/**
 * Resolves once the task runs.
 * @param signal aborted once the agent no longer waits for the answer; the task is ended then
 * @throws DriverError `TASK_EXISTS`, or the error with which the start failed
 */
export async function startTask(
  received: TaskRequest,
  signal: AbortSignal,
  tasks: TaskTable,
  services: DriverServices,
): Promise<StartedTask> {
  const { taskId } = received;
  const request = await withUser(received, services);
  if (tasks.get(taskId) !== undefined) throw existsAlready(taskId);
  const digest = envDigest(request.env, services.folder.path);
  const requested = requestedEvent(received, digest, services.plugin);
  // Usually, the log does not have the task. Then the task is added in the same turn, so that no second
  // request comes in between.
  const history =
    services.store.version(taskId) === 0 ? undefined : await repeatedStart(taskId, requested, services);
  if (history !== undefined && tasks.get(taskId) !== undefined) throw existsAlready(taskId);
  const task = tasks.add(taskId, history);
  try {
    await tasks.endForgotten(taskId, services);
    if (task.snapshot.context.process === null) {
      task.run.setRequest(request);
      await task.record("requested", requested);
    } else await takeOver(task, task.run.commands, services);
    const snapshot = await task.reached(hasStarted);
    if (snapshot.value === "failed") throw task.run.failure;
    const env = task.run.env ?? (await findProgram(request, services)).env;
    // An agent that has disconnected would not learn of the task, nor request it later.
    signal.throwIfAborted();
    return { driverState: encodeHandle(handleOf(taskId, snapshot)), env };
  } catch (thrown) {
    if (isAlive(task.state)) await end(task);
    tasks.forget(taskId);
    throw thrown;
  } finally {
    task.run.answered();
  }
}

/**
 * The history of a StartTask whose task is in the log already. If a plugin dies during a start, its agent
 * sends the same start to the next plugin. That start continues where the first one stopped, so that the
 * task neither runs twice nor is refused.
 * @returns the history of a failed start, or of a run that is alive or has ended; undefined if the log has no such task
 * @throws DriverError `TASK_EXISTS` if another request had this id, or if its history is closed
 */
export async function repeatedStart(
  taskId: TaskId,
  requested: EventData<"requested">,
  services: Pick<DriverServices, "store" | "folder" | "log">,
): Promise<TaskHistory | undefined> {
  const stored = storedHistory(taskId, services.store);
  if (stored === undefined) return undefined;
  if (!isRepeated(stored.snapshot.context.request, requested)) throw existsAlready(taskId);
  const history = (await readSettled(taskId, services)) ?? stored;
  const state = history.snapshot.value;
  if (state === "failed" || state === "exited" || isAlive(state)) return history;
  throw existsAlready(taskId);
}

/**
 * Whether another plugin process got the same request. This process has answered every request that it got
 * itself.
 */
function isRepeated(stored: EventData<"requested"> | null, requested: EventData<"requested">): boolean {
  if (stored === null || stored.plugin.pid === requested.plugin.pid) return false;
  return isDeepStrictEqual(stored, { ...requested, plugin: stored.plugin });
}
