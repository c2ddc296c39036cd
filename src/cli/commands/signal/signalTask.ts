/** `signal`: sends a signal to a running task. */

import { parseSignal, signalName } from "../../../base/signalNames.ts";
import { answered } from "../../../localAgent/plugin/pluginSession.ts";
import { connectTask } from "../../tasks/runningTask.ts";

/**
 * @returns the exit code
 * @throws DriverError `SIGNAL_UNKNOWN`; as {@link connectTask} does; or the plugin's error
 */
export async function signalTask(name: string, signal: string, stateDir: string): Promise<number> {
  const sent = signalName(parseSignal(signal));
  const { id, plugin, close } = await connectTask(stateDir, name);
  try {
    await answered(plugin.driver.signalTask({ taskId: id, signal: sent }));
  } finally {
    close();
  }
  return 0;
}
