/** The view of `top` that a person has chosen, how keys change it, and its frames. Pure. */

import { formatBytes } from "../../../units/sizes.ts";
import { visible } from "../../../units/visible.ts";
import { beginningOf } from "../../../units/widths.ts";
import { cpuText, taskTable } from "../../tasks/taskListing.ts";
import type { TaskRow } from "../../tasks/taskRow.ts";
import { endKey, isVisible } from "../../terminal/keyName.ts";
import type { Style } from "../../terminal/style.ts";

export type SortKey = "cpu" | "memory" | "age" | "name";

export interface TopView {
  readonly sort: SortKey;
  /** Shows only tasks that have this text in one of their fields; empty for all tasks. */
  readonly search: string;
  /** Whether keys are typed into the search. */
  readonly typing: boolean;
  /** Maximum number of tasks to show. */
  readonly limit: number;
}

const quitKeys: ReadonlySet<string> = new Set(["q", "Q", "C-c", "C-d", "escape", endKey]);

/** The view after a key was pressed; `quit` if the key ends the program. */
export function press(view: TopView, key: string): TopView | "quit" {
  if (view.typing) return type(view, key);
  if (key === "/") return { ...view, typing: true };
  // Escape ends the search first, and the program next.
  if (key === "escape" && view.search !== "") return { ...view, search: "" };
  if (quitKeys.has(key)) return "quit";
  const sort = sortKeys.get(key.toLowerCase());
  return sort === undefined ? view : { ...view, sort };
}

function type(view: TopView, key: string): TopView | "quit" {
  switch (key) {
    case endKey:
      return "quit";
    case "return":
      return { ...view, typing: false };
    case "escape":
    case "C-c":
      return { ...view, typing: false, search: "" };
    case "C-u":
      return { ...view, search: "" };
    case "backspace":
    case "C-h":
      return { ...view, search: [...view.search].slice(0, -1).join("") };
    default:
      return isVisible(key) ? { ...view, search: view.search + key } : view;
  }
}

/** The tasks that the search finds, in the chosen order. */
export function matching(rows: readonly TaskRow[], { search, sort }: TopView): TaskRow[] {
  const wanted = search.toLowerCase();
  return rows.filter((row) => textOf(row).includes(wanted)).toSorted(orders[sort]);
}

function textOf({ task, id, job, group, user, command, state }: TaskRow): string {
  return [task, id, job, group, user, command, state].join("\n").toLowerCase();
}

type Order = (a: TaskRow, b: TaskRow) => number;

/** The last criterion, so that equal tasks, such as idle ones, keep their places. */
const byId: Order = (a, b) => (a.id < b.id ? -1 : 1);

const orders: Readonly<Record<SortKey, Order>> = {
  cpu: (a, b) => (b.cpuPercent ?? -1) - (a.cpuPercent ?? -1) || byId(a, b),
  memory: (a, b) => (b.memoryBytes ?? -1) - (a.memoryBytes ?? -1) || byId(a, b),
  age: (a, b) => b.ageMs - a.ageMs || byId(a, b),
  name: (a, b) => a.task.localeCompare(b.task) || byId(a, b),
};

/** The sort keys, by the key to press: the first letter. */
const sortKeys = new Map(Object.keys(orders).map((name) => [name[0], name as SortKey]));

export interface FrameSize {
  readonly columns: number;
  readonly rows: number;
}

/**
 * @param clock the time of day as text
 * @returns lines that fit on the terminal
 */
export function topFrame(
  rows: readonly TaskRow[],
  view: TopView,
  clock: string,
  style: Style,
  { columns, rows: height }: FrameSize,
): string[] {
  const title = [summary(rows), clock, `by ${view.sort}`, "c m a n sort", "/ search", "q quit"];
  while (title.length > 1 && title.join(separator).length > columns) title.pop();
  const found = matching(rows, view);
  const head = [
    style.bold(title.join(separator).slice(0, columns)),
    beginningOf(searchLine(view, found.length), columns),
  ];
  const none = rows.length === 0 ? "No task is running." : "No running task matches.";
  const limited = found.slice(0, view.limit);
  const table = limited.length === 0 ? [none.slice(0, columns)] : taskTable(limited, style, columns);
  const room = Math.max(0, height - head.length);
  const isCut = table.length > room || limited.length < found.length;
  // The header is one of the table's lines.
  const listed = Math.min(table.length - 1, Math.max(0, room - 2));
  const shown = isCut
    ? [...table.slice(0, listed + 1), `… and ${found.length - listed} more`.slice(0, columns)]
    : table;
  return [...head, ...shown].slice(0, height);
}

const separator = "   ";

function searchLine({ search, typing }: TopView, found: number): string {
  if (typing) return `search: ${visible(search)}_`;
  return search === "" ? "" : `${found} with "${visible(search)}"   Esc shows all`;
}

function summary(rows: readonly TaskRow[]): string {
  const sum = (figure: (row: TaskRow) => number | null) =>
    rows.reduce((total, row) => total + (figure(row) ?? 0), 0);
  const cpu = cpuText(sum(({ cpuPercent }) => cpuPercent));
  const memory = formatBytes(sum(({ memoryBytes }) => memoryBytes));
  return `${rows.length} ${rows.length === 1 ? "task" : "tasks"}, CPU ${cpu}, memory ${memory}`;
}
