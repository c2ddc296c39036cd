/** `ps`: lists the tasks of this node. */
import { shortNameOf } from "../../../base/taskId.ts";
import type { Pin } from "../../../store/folder/keptHistories.ts";
import { visible, visibleTexts } from "../../../units/visible.ts";
import { newest, timeOfRequest } from "../../histories/chosenRun.ts";
import { EventLogs } from "../../histories/eventLogs.ts";
import { newestTasks, type RunsOfTask, runCount } from "../../histories/runsOfTasks.ts";
import { rowsOf } from "../../tasks/nodeTasks.ts";
import { asksForEnded, taskFilter } from "../../tasks/taskFilter.ts";
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
  /** Filters of taskFilter.ts. */
  readonly filters: readonly string[];
  /** A template for each task; undefined for a table. */
  readonly format: string | undefined;
  /** Maximum number of tasks to list, the newest ones; undefined for all. */
  readonly last: number | undefined;
}

/**
 * @returns the exit code
 * @throws DriverError `STORE_FAILED` if there is no event log, or one cannot be read
 * @throws DriverError `EXPRESSION_INVALID` for a wrong filter or template
 */
export async function showTasks(
  stateDir: string,
  { all, json, quiet, last, filters, format }: ShowTasksOptions,
): Promise<number> {
  const fits = taskFilter(filters);
  // Loaded on demand: most calls have no template.
  const formatted =
    format === undefined ? undefined : (await import("../../tasks/rowTemplate.ts")).rowTemplate(format);
  await using logs = await EventLogs.open(stateDir);
  const runs = all || asksForEnded(filters) ? logs.tasks() : logs.running();
  const pins = logs.pins();
  // With a filter, all tasks are looked at: the newest of those that fit are listed.
  const looked = filters.length > 0 ? runs.length : (last ?? runs.length);
  if (quiet || json || formatted !== undefined) {
    const shown = newest(runs, looked);
    if (quiet && filters.length === 0) {
      for (const { id } of shown) print(visible(shortNameOf(id)));
      return 0;
    }
    const rows = (await rowsOf(shown, pins)).filter(fits);
    for (const row of rows.slice(Math.max(0, rows.length - (last ?? rows.length)))) {
      if (formatted !== undefined) print(formatted(visibleTexts(row)));
      else print(quiet ? visible(shortNameOf(row.id)) : jsonOf("ps", row));
    }
    return 0;
  }
  const tasks = newestTasks(runs, looked);
  const found = (await foldedRows(tasks.tasks, pins)).filter(fits);
  const rows = found.slice(Math.max(0, found.length - (last ?? found.length)));
  const { stdout } = process;
  print(taskTable(rows, styleFor(stdout), widthOf(stdout)).join("\n"));
  const hidden = filters.length > 0 ? found.length - rows.length : tasks.all - tasks.tasks.length;
  if (hidden > 0) print(earlierText(hidden));
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
