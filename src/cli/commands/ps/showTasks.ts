/** `ps`: lists the tasks of this node. */
import { shortNameOf } from "../../../base/taskId.ts";
import type { Pin } from "../../../store/folder/keptHistories.ts";
import { visible } from "../../../units/visible.ts";
import { newest, timeOfRequest } from "../../histories/chosenRun.ts";
import { EventLogs } from "../../histories/eventLogs.ts";
import { newestTasks, type RunsOfTask, runCount } from "../../histories/runsOfTasks.ts";
import { rowsOf } from "../../tasks/nodeTasks.ts";
import { earlierText, type ListedTask, taskTable } from "../../tasks/taskListing.ts";
import { jsonOf } from "../../terminal/json.ts";
import { print } from "../../terminal/output.ts";
import { styleFor, widthOf } from "../../terminal/style.ts";

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
  if (quiet || json) {
    const shown = newest(runs, last ?? runs.length);
    if (quiet) for (const { id } of shown) print(visible(shortNameOf(id)));
    else for (const row of await rowsOf(shown, logs.pins())) print(jsonOf("ps", row));
    return 0;
  }
  const tasks = newestTasks(runs, last ?? runs.length);
  const rows = await foldedRows(tasks.tasks, logs.pins());
  const { stdout } = process;
  print(taskTable(rows, styleFor(stdout), widthOf(stdout)).join("\n"));
  if (tasks.tasks.length < tasks.all) print(earlierText(tasks.all - tasks.tasks.length));
  return 0;
}

/** A row for each task: its newest run, the number of its runs, and the newest pin on any of them. */
async function foldedRows(
  tasks: readonly RunsOfTask[],
  pins: ReadonlyMap<string, Pin>,
): Promise<readonly ListedTask[]> {
  const tasksById = new Map(tasks.map((task) => [task.newest.id, task]));
  const rows = await rowsOf(
    tasks.map(({ newest }) => newest),
    pins,
  );
  const now = Date.now();
  return rows.map((row) => {
    const task = tasksById.get(row.id);
    if (task === undefined || task.runs.length === 1) return row;
    const { count, firstAt } = runCount(task);
    const pin = task.runs.flatMap(({ id }) => pins.get(id) ?? []).at(0) ?? null;
    return { ...row, pin, runs: { count, firstMs: now - firstAt, lastMs: now - timeOfRequest(task.newest) } };
  });
}
