/** Errors of requests that the state of the task or of the plugin does not allow. */

import { DriverError } from "../base/errors.ts";
import type { TaskId } from "../base/taskId.ts";
import type { RecordedTask } from "./history/recordedTask.ts";

/** Agents compare this text. */
export function notFound(): DriverError {
  return new DriverError("TASK_NOT_FOUND", "task not found for given id");
}

export function existsAlready(taskId: TaskId): DriverError {
  return new DriverError("TASK_EXISTS", `task ${taskId} was started already`, {
    hint: "Every start needs an id of its own",
  });
}

export function notConfigured(): DriverError {
  return new DriverError("PLUGIN_FAILED", "the plugin has not been configured yet", {
    hint: "The agent calls SetConfig with its own configuration first",
    recoverable: true,
  });
}

export function pluginEnds(): DriverError {
  return new DriverError("PLUGIN_FAILED", "the plugin ends: it runs no more commands", {
    hint: "Try it again: the agent launches the next plugin",
    recoverable: true,
  });
}

/** @param consequence what is not possible in this state */
export function notRunning({ state }: Pick<RecordedTask, "state">, consequence: string): DriverError {
  return new DriverError("TASK_NOT_RUNNING", `the task is ${state}: ${consequence}`);
}

export function stillRunning({ id, state }: Pick<RecordedTask, "id" | "state">): DriverError {
  return new DriverError("TASK_STILL_RUNNING", `task ${id} is ${state}: it cannot be destroyed`, {
    hint: "Stop it first, or destroy it with force",
  });
}
