/** Taking a task over from an earlier plugin process: replay its events, then look at the host. */
import { bootId, isSameProcess } from "../effects/processIdentity.ts";
import { DriverError } from "../errors.ts";
import { fold } from "../machines/fold.ts";
import { isAlive, isOver } from "../machines/taskMachine.ts";
import type { RecoverableHandle } from "./driverPort.ts";
import { exitOf } from "./effects/watchTask.ts";
import { historyFromHandle } from "./handleHistory.ts";
import type { DriverServices } from "./services.ts";
import { toTaskEvent } from "./storedEvents.ts";
import type { Task, TaskHistory } from "./task.ts";
import { decodeHandle } from "./taskHandle.ts";

/**
 * What is known of a task: by the log, or, where that knows nothing, by the
 * agent's handle, of which a new stream is begun then.
 * @throws DriverError `HANDLE_INVALID` for a handle that is none of this driver's, or another task's
 */
export async function historyOf(handle: RecoverableHandle, services: DriverServices): Promise<TaskHistory> {
  const { taskId } = handle;
  const events = [...services.store.readStream(taskId)];
  if (events.length > 0) return { snapshot: fold(events.map(toTaskEvent)), version: events.length };
  const state = decodeHandle(handle.driverState);
  if (state.taskId !== taskId) {
    throw new DriverError("HANDLE_INVALID", `the handle of task ${taskId} is that of ${state.taskId}`);
  }
  const rebuilt = historyFromHandle(handle, state, services);
  await services.store.append(taskId, 0, rebuilt.events);
  services.log.warn("the event log knows nothing of a task: its history begins with the agent's handle", {
    task_id: taskId,
  });
  return rebuilt;
}

/**
 * Compares what is known with the host, and records what was found: the task
 * runs, or has ended while nobody watched.
 * @throws DriverError `TASK_LOST` where it belongs to an earlier boot or never started
 */
export async function takeOver(task: Task, { plugin }: DriverServices): Promise<void> {
  const { process } = task.snapshot.context;
  if (isOver(task.state)) return;
  if (!isAlive(task.state) || process === null) {
    throw new DriverError("TASK_LOST", `task ${task.id} was never started: it is ${task.state}`);
  }
  if (process.bootId !== bootId()) {
    const reason = "the host was rebooted: its processes are gone";
    await task.record("lost", { reason });
    throw new DriverError("TASK_LOST", `task ${task.id} is lost: ${reason}`);
  }
  if (isSameProcess(process.init)) await task.record("recovered", { plugin, found: "running" });
  else await task.record("exited", exitOf(task.snapshot));
}
