/** A running task of a local run: `stop` and `restart` ask that run to act on it. */
import { dirname } from "node:path";
import { askRun } from "../../client/work/runControl.ts";
import { DriverError } from "../../errors.ts";
import { parseSignal, signalName } from "../../signalNames.ts";
import { isLocal } from "../../store/folder/logFolders.ts";
import { allocationOf, shortId } from "../../taskId.ts";
import { findRunningTask } from "./runningTask.ts";

export interface StopOptions {
  /** Undefined means the task's `kill_signal`. */
  readonly signal: string | undefined;
  /** Undefined means the task's `kill_timeout`. */
  readonly timeoutMs: number | undefined;
}

/**
 * Stops a task, and waits for its end.
 * @returns the exit code
 * @throws DriverError `SIGNAL_UNKNOWN`, `TASK_NOT_FOUND`, `UNSUPPORTED`, `PLUGIN_FAILED`
 */
export async function stopTask(
  stateDir: string,
  name: string,
  { signal, timeoutMs }: StopOptions,
): Promise<number> {
  const sent = signal === undefined ? undefined : signalName(parseSignal(signal));
  const { id, work } = await findLocalTask(stateDir, name, "stop");
  await askRun(work, { stop: id, signal: sent, timeoutMs });
  return 0;
}

/**
 * Stops a task and starts it again.
 * @returns the exit code
 * @throws DriverError `TASK_NOT_FOUND`, `UNSUPPORTED`, `PLUGIN_FAILED`, or the error of the new start
 */
export async function restartTask(stateDir: string, name: string): Promise<number> {
  const { id, work } = await findLocalTask(stateDir, name, "restart");
  await askRun(work, { restart: id });
  return 0;
}

/**
 * A task's id, and the work folder of its run.
 * @param verb the verb of `nomad alloc` for an agent's task, for the error's hint
 * @throws DriverError `UNSUPPORTED` for a task of an agent, which would start the task again
 */
async function findLocalTask(
  stateDir: string,
  name: string,
  verb: string,
): Promise<{ readonly id: string; readonly work: string }> {
  const { id, stateFolder, allocDir } = await findRunningTask(stateDir, name);
  if (!isLocal(stateFolder)) {
    throw new DriverError("UNSUPPORTED", `task ${name} belongs to a Nomad agent`, {
      hint: `Use nomad alloc ${verb} ${shortId(allocationOf(id))}`,
    });
  }
  // An allocation's folder is <work>/alloc/<id>.
  return { id, work: dirname(dirname(allocDir)) };
}
