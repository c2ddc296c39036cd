/** Starts a task, or goes on with a start that an earlier plugin process could not answer any more. */
import type { TaskRequest } from "../../config/task/taskRequest.ts";
import { envDigest } from "../../effects/files/envDigest.ts";
import { hasStarted, stateName } from "../../machines/fold.ts";
import { isAlive } from "../../machines/taskMachine.ts";
import type { StartedTask } from "../driverPort.ts";
import type { DriverServices } from "../opening/services.ts";
import { takeOver } from "../recovery/recovery.ts";
import { existsAlready } from "../task/taskErrors.ts";
import { encodeHandle, handleOf } from "../task/taskHandle.ts";
import { end, type TaskTable } from "../task/taskTable.ts";
import { repeatedStart } from "./repeatedStart.ts";
import { requestedEvent } from "./requestedEvent.ts";
import { findProgram } from "./sandboxPlan.ts";
import { withUser } from "./taskUser.ts";

/**
 * Resolves once the task runs.
 * @param signal aborted once there is nobody to be answered: the task is ended, then
 * @throws DriverError `TASK_EXISTS`, and whatever a start can fail with
 */
export async function startTask(
  asked: TaskRequest,
  signal: AbortSignal,
  tasks: TaskTable,
  services: DriverServices,
): Promise<StartedTask> {
  const { taskId } = asked;
  const request = await withUser(asked, services);
  if (tasks.get(taskId) !== undefined) throw existsAlready(taskId);
  const digest = envDigest(request.env, services.folder.path);
  const requested = requestedEvent(asked, digest, services.plugin);
  // A task that the log does not know, as is usual, is added in the same turn: no second request of its comes between.
  const known =
    services.store.version(taskId) === 0 ? undefined : await repeatedStart(taskId, requested, services);
  if (known !== undefined && tasks.get(taskId) !== undefined) throw existsAlready(taskId);
  const task = tasks.add(taskId, known);
  try {
    await tasks.endForgotten(taskId, services);
    if (task.snapshot.context.process === null) {
      task.run.ask(request);
      await task.record("requested", requested);
    } else await takeOver(task, services);
    const snapshot = await task.reached(hasStarted);
    if (stateName(snapshot) === "failed") throw task.run.failure;
    const env = task.run.env ?? (await findProgram(request, services.options, services.facts)).env;
    // An agent that is gone cannot be told that the task runs, and would not ask for it.
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
