/** `stop`: stops a task of a local run. */
import { answered } from "../../../client/plugin/pluginSession.ts";
import { durationOf } from "../../../grpc/convert/time.ts";
import { parseSignal, signalName } from "../../../signalNames.ts";
import { connectLocalTask } from "../../tasks/runningTask.ts";

export interface StopOptions {
  readonly signal: string;
  readonly timeoutMs: number;
  readonly stateDir: string;
}

/**
 * @returns the exit code
 * @throws DriverError `SIGNAL_UNKNOWN`, `TASK_NOT_FOUND`, `UNSUPPORTED`
 */
export async function stopTask(name: string, { signal, timeoutMs, stateDir }: StopOptions): Promise<number> {
  const sent = signalName(parseSignal(signal));
  const { id, plugin, close } = await connectLocalTask(stateDir, name, "stop");
  try {
    await answered(plugin.driver.stopTask({ taskId: id, timeout: durationOf(timeoutMs), signal: sent }));
  } finally {
    close();
  }
  return 0;
}
