/** Finds the running task that a person names, and the plugin that runs it. */
import { dirname } from "node:path";
import { chooseTask } from "../../../replay/chooseTask.ts";
import { addressOf } from "../../../store/folder/pluginAddress.ts";
import { EventLogs } from "../../logs/eventLogs.ts";
import { nodeTasks } from "../../tasks/nodeTasks.ts";

export interface RunningTask {
  readonly id: string;
  readonly socketPath: string;
}

/**
 * @param name the task's name, the start of its allocation's id, or its whole id
 * @throws DriverError `TASK_NOT_FOUND` if it matches no running task, or several
 * @throws DriverError `PLUGIN_FAILED` if the task's plugin does not run
 */
export async function findRunning(stateDir: string, name: string): Promise<RunningTask> {
  const logs = await EventLogs.open(stateDir);
  try {
    const tasks = logs.readers.flatMap((reader, index) =>
      nodeTasks([reader], false).map(({ id }) => ({ id, folder: dirname(logs.folders[index] ?? stateDir) })),
    );
    const { id, folder } = chooseTask(name, tasks);
    return { id, socketPath: addressOf(folder) };
  } finally {
    await logs.close();
  }
}
