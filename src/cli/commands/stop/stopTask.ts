/** `stop`: asks a task's local run to stop the task. */
import { askRun } from "../../../client/work/runControl.ts";
import { parseSignal, signalName } from "../../../signalNames.ts";
import { findLocalTask } from "../../tasks/runningTask.ts";

export interface StopOptions {
  /** Undefined means the task's `kill_signal`. */
  readonly signal: string | undefined;
  /** Undefined means the task's `kill_timeout`. */
  readonly timeoutMs: number | undefined;
  readonly stateDir: string;
}

/**
 * @returns the exit code
 * @throws DriverError `SIGNAL_UNKNOWN`, `TASK_NOT_FOUND`, `UNSUPPORTED`, `PLUGIN_FAILED`
 */
export async function stopTask(name: string, { signal, timeoutMs, stateDir }: StopOptions): Promise<number> {
  const sent = signal === undefined ? undefined : signalName(parseSignal(signal));
  const { id, work } = await findLocalTask(stateDir, name, "stop");
  await askRun(work, { stop: id, signal: sent, timeoutMs });
  return 0;
}
