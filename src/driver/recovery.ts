/** Taking a task over from an earlier plugin process: replay its events, then look at the host. */
import type { GoDriverRun } from "../effects/goDriverRun.ts";
import { bootId, isSameProcess } from "../effects/processIdentity.ts";
import { DriverError } from "../errors.ts";
import { fold, stateName } from "../machines/fold.ts";
import { isAlive, isOver } from "../machines/taskMachine.ts";
import { adoptedHistory } from "./adoption.ts";
import type { RecoverableHandle } from "./driverPort.ts";
import { exitOf } from "./effects/watchTask.ts";
import { decodeGoDriverHandle } from "./goDriverHandle.ts";
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
  const run = decodeGoDriverHandle(handle.driverState, taskId);
  if (run !== undefined) return adopt(handle, run, services);
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
 * Begins the stream of a task that the Go driver had started.
 * @throws DriverError `TASK_LOST` where it cannot be taken over
 */
async function adopt(
  handle: RecoverableHandle,
  run: GoDriverRun,
  services: DriverServices,
): Promise<TaskHistory> {
  const { taskId } = handle;
  const history = adoptedHistory(handle, run, services);
  await services.store.append(taskId, 0, history.events);
  const { adopted, lostReason } = history.snapshot.context;
  services.log.info("a task of the Go driver is taken over", {
    task_id: taskId,
    pid: run.pid,
    state: stateName(history.snapshot),
    init: adopted?.found?.init.pid,
  });
  if (lostReason === null) return history;
  throw new DriverError("TASK_LOST", `task ${taskId} of the Go driver is lost: ${lostReason}`, {
    hint: "Nothing was killed. Nomad starts the task anew: look whether the old one still runs",
  });
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
