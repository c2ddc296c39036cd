/** `ps`: lists the tasks of this node. */

import { visibleJson } from "../../../units/visible.ts";
import { EventLogs } from "../../logs/eventLogs.ts";
import { HostView } from "../../tasks/hostView.ts";
import { nodeTasks } from "../../tasks/nodeTasks.ts";
import { taskTable } from "../../tasks/taskTable.ts";
import { print } from "../../terminal/output.ts";
import { styleFor, widthOf } from "../../terminal/style.ts";

export interface ShowTasksOptions {
  /** Whether to list tasks that have ended, too. */
  readonly all: boolean;
  readonly json: boolean;
}

/**
 * @returns the exit code
 * @throws DriverError `STORE_FAILED` if there is no event log, or one cannot be read
 */
export async function showTasks(stateDir: string, { all, json }: ShowTasksOptions): Promise<number> {
  const logs = await EventLogs.open(stateDir);
  try {
    const rows = await new HostView().rows(nodeTasks(logs.readers, all));
    const lines = json
      ? rows.map((row) => visibleJson(row))
      : taskTable(rows, styleFor(process.stdout), widthOf(process.stdout));
    if (lines.length > 0) print(lines.join("\n"));
  } finally {
    await logs.close();
  }
  return 0;
}
