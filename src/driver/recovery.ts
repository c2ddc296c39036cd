/** Taking a task over from an earlier plugin process: replay its events, then look at the host. */
import { bootId, isSameProcess } from "../effects/processIdentity.ts";
import { DriverError } from "../errors.ts";
import type { TaskEvent } from "../machines/events.ts";
import { fold, stateName } from "../machines/fold.ts";
import { isAlive, isOver } from "../machines/taskMachine.ts";
import type { EventReader } from "../store/eventStore.ts";
import { exitOf } from "./effects/watchTask.ts";
import type { DriverServices } from "./services.ts";
import type { Task, TaskHistory } from "./task.ts";

/**
 * What the log tells of a task.
 * @throws DriverError `TASK_LOST` where it tells nothing
 */
export function historyOf(taskId: string, store: EventReader): TaskHistory {
  const events = [...store.readStream(taskId)];
  if (events.length === 0) {
    throw new DriverError("TASK_LOST", `the event log has no events of task ${taskId}`, {
      hint: "Nomad will destroy the task and start it anew",
    });
  }
  return { snapshot: fold(events as unknown as readonly TaskEvent[]), version: events.length };
}

/**
 * Compares what the log tells with the host, and records what was found: the
 * task runs, or has ended while nobody watched.
 * @throws DriverError `TASK_LOST` where it belongs to an earlier boot or never started
 */
export async function takeOver(task: Task, { plugin }: DriverServices): Promise<void> {
  const { process } = task.snapshot.context;
  if (isOver(stateName(task.snapshot))) return;
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
