/** `restart`: asks a task's local run to stop the task and start it again. */
import { askRun } from "../../../client/work/runControl.ts";
import { findLocalTask } from "../../tasks/runningTask.ts";

/**
 * @returns the exit code
 * @throws DriverError `TASK_NOT_FOUND`, `UNSUPPORTED`, `PLUGIN_FAILED`, or the error of the new start
 */
export async function restartTask(name: string, stateDir: string): Promise<number> {
  const { id, work } = await findLocalTask(stateDir, name, "restart");
  await askRun(work, { restart: id });
  return 0;
}
