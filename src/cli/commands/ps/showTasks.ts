/** `ps`: lists the tasks of this node. */
import { shortNameOf } from "../../../base/taskId.ts";
import { visible } from "../../../units/visible.ts";
import { newest } from "../../histories/chosenRun.ts";
import { EventLogs } from "../../histories/eventLogs.ts";
import { rowsOf } from "../../tasks/nodeTasks.ts";
import { earlierText, taskTable } from "../../tasks/taskListing.ts";
import { print, printRows } from "../../terminal/output.ts";

export interface ShowTasksOptions {
  /** Whether to list tasks that have ended, too. */
  readonly all: boolean;
  readonly json: boolean;
  /** Whether to print only the tasks' short names. */
  readonly quiet: boolean;
  /** Maximum number of tasks to list, the newest ones; undefined for all. */
  readonly last: number | undefined;
}

/**
 * @returns the exit code
 * @throws DriverError `STORE_FAILED` if there is no event log, or one cannot be read
 */
export async function showTasks(
  stateDir: string,
  { all, json, quiet, last }: ShowTasksOptions,
): Promise<number> {
  await using logs = await EventLogs.open(stateDir);
  const runs = all ? logs.tasks() : logs.running();
  const shown = newest(runs, last ?? runs.length);
  if (quiet) {
    for (const { id } of shown) print(visible(shortNameOf(id)));
    return 0;
  }
  const rows = await rowsOf(shown, logs.pins());
  printRows(rows, json, (style, width) => taskTable(rows, style, width).join("\n"));
  if (shown.length < runs.length) print(earlierText(runs.length - shown.length));
  return 0;
}
