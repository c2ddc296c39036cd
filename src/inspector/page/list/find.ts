/** Finds the tasks that match the choices in the page's address, and sorts them. Pure. */

import { taskOfRun } from "../../../base/taskId.ts";
import { formatDuration, formatLife } from "../../../units/durations.ts";
import { type OutcomeKind, outcomeKinds, toneOf } from "../../views/outcomeKinds.ts";
import type { TaskSummary } from "../../views/taskSummary.ts";
import type { Choices } from "../address.ts";

/** A column, with its sort key. The list cannot be sorted by what only the rows in sight have. */
export interface Column {
  readonly title: string;
  readonly sortBy?: (row: TaskSummary, now: number) => string | number | null;
}

/** The columns by their names, which the address and the CSS classes use, too. */
export const columns = {
  task: { title: "Task", sortBy: ({ task }) => task },
  job: { title: "Job", sortBy: ({ job }) => job },
  user: { title: "User", sortBy: ({ user }) => user },
  allocation: { title: "Allocation", sortBy: ({ allocation }) => allocation },
  outcome: { title: "Outcome", sortBy: ({ outcome }) => outcomeKinds.indexOf(outcome.kind) },
  exit: { title: "Exit", sortBy: ({ exit }) => exit },
  cpu: { title: "CPU" },
  memory: { title: "Memory" },
  disk: { title: "Disk" },
  restarts: { title: "Restarts", sortBy: ({ restarts }) => restarts },
  ran: { title: "Ran", sortBy: (row, now) => ranFor(row, now) },
  age: { title: "Age", sortBy: ({ begunAt }, now) => now - begunAt },
} as const satisfies Readonly<Record<string, Column>>;

export type ColumnName = keyof typeof columns;

/** The columns of a list: a disk has one only if some of its tasks have a limit of what they may write. */
export function columnsOf(rows: readonly TaskSummary[]): readonly ColumnName[] {
  const names = Object.keys(columns) as ColumnName[];
  const isLimited = rows.some(({ diskLimit }) => diskLimit !== undefined);
  return isLimited ? names : names.filter((name) => name !== "disk");
}

/** The task's name, with the index of its allocation among those of its group. */
export function labelOf({ task, index }: Pick<TaskSummary, "task" | "index">): string {
  return index === null || index === 0 ? task : `${task}[${index}]`;
}

/** Milliseconds from the task's start to its end, or to now; null if the task has never run. */
function ranFor({ startedAt, endedAt }: TaskSummary, now: number): number | null {
  return startedAt === null ? null : Math.max(0, (endedAt ?? now) - startedAt);
}

/** How long a task ran: `3 s`, `≥ 3 s` if its end was not observed, or `–` if it has never run. */
export function ranText(row: TaskSummary, now: number): string {
  const ran = ranFor(row, now);
  if (ran === null) return "–";
  return row.outcome.kind === "lost" ? `≥ ${formatDuration(ran)}` : formatLife(ran);
}

/**
 * Sorts rows by `job`, for example, or by `-job` in descending order. Any other text keeps the order, newest
 * first.
 */
export function sorted(rows: readonly TaskSummary[], sort: string, now: number): readonly TaskSummary[] {
  const name = sort.replace(/^-/, "");
  if (!Object.hasOwn(columns, name)) return rows;
  const { sortBy }: Column = columns[name as ColumnName];
  if (sortBy === undefined) return rows;
  const way = sort.startsWith("-") ? -1 : 1;
  const keyed = rows.map((row) => ({ row, key: sortBy(row, now) }));
  // Rows without a value come last in both directions.
  return keyed.sort((a, b) => way * compared(a.key, b.key, way)).map(({ row }) => row);
}

function compared(a: string | number | null, b: string | number | null, way: number): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? way : -way;
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The runs of one task in its allocation that the list has. */
export interface TaskRuns {
  readonly newest: TaskSummary;
  /** The newest first; empty for a task that was not restarted. */
  readonly earlier: readonly TaskSummary[];
}

/** Puts the runs of each task together, in the order of the newest ones. @param rows the newest first */
export function byTask(rows: readonly TaskSummary[]): TaskRuns[] {
  const tasks = Map.groupBy(rows, ({ id }) => taskOfRun(id));
  return Array.from(tasks.values(), ([newest, ...earlier]) => ({ newest: newest as TaskSummary, earlier }));
}

/**
 * Makes a function that tests a row with all filters except the outcome's. The page counts the outcomes of
 * the rows that pass.
 */
export function matcher(
  { search = "", job = "", user = "", event = "", cause = "" }: Choices,
  eventTypes: readonly string[],
): (row: TaskSummary) => boolean {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const bit = event === "" ? 0 : 2 ** eventTypes.indexOf(event);
  return (row) =>
    (job === "" || row.job === job) &&
    (user === "" || row.user === user) &&
    (event === "" || (row.seen & bit) !== 0) &&
    (cause === "" || row.cause === cause) &&
    (words.length === 0 || mentionsAll(row, words));
}

function mentionsAll(row: TaskSummary, words: readonly string[]): boolean {
  const { id, job, group, namespace, user, outcome, exit, cause } = row;
  const text = [id, labelOf(row), job, group, namespace, user, outcome.kind, outcome.text, exit, cause]
    .join(" ")
    .toLowerCase();
  return words.every((each) => text.includes(each));
}

/** The values of `outcome` in the address: single outcomes, and groups of several. */
export const outcomeGroups: Readonly<Record<string, (kind: OutcomeKind) => boolean>> = {
  active: (kind) => toneOf[kind] === "busy",
  ...Object.fromEntries(outcomeKinds.map((each) => [each, (kind: OutcomeKind) => kind === each])),
};

/** The distinct values, in alphabetical order. */
export function valuesOf(rows: readonly TaskSummary[], of: (row: TaskSummary) => string | null): string[] {
  return [...new Set(rows.flatMap((row) => of(row) ?? []))].sort();
}

/** Tasks that failed for the same cause. */
export interface FailureGroup {
  readonly cause: string;
  /** The newest first. */
  readonly rows: readonly TaskSummary[];
  readonly jobs: readonly string[];
}

/** Groups failures by their cause, the most frequent first. @param rows the newest first */
export function failureGroups(rows: readonly TaskSummary[]): FailureGroup[] {
  const groups = Map.groupBy(
    rows.filter(({ cause }) => cause !== null),
    ({ cause }) => cause ?? "",
  );
  return Array.from(groups, ([cause, members]) => ({
    cause,
    rows: members,
    jobs: valuesOf(members, ({ job }) => job),
  })).sort((a, b) => b.rows.length - a.rows.length);
}
