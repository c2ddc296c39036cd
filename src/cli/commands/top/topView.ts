/** The view of `top` that a person has chosen, how keys change it, and its frames. Pure. */

import { DriverError } from "../../../base/errors.ts";
import { formatBytes } from "../../../units/sizes.ts";
import { visible } from "../../../units/visible.ts";
import { beginningOf } from "../../../units/widths.ts";
import { type TaskFilter, taskFilter } from "../../tasks/taskFilter.ts";
import { cpuText, taskTable } from "../../tasks/taskListing.ts";
import type { TaskRow } from "../../tasks/taskRow.ts";
import { endKey, isVisible } from "../../terminal/keyName.ts";
import type { Style } from "../../terminal/style.ts";
import { type UsagePoint, usageLines } from "./usageLines.ts";

export type SortKey = "cpu" | "memory" | "age" | "name";

export interface TopView {
  readonly sort: SortKey;
  /**
   * Shows only tasks that have this text in one of their fields; empty for all tasks. Words such as `job=shop` are
   * filters (taskFilter.ts).
   */
  readonly search: string;
  /** Whether keys are typed into the search. */
  readonly typing: boolean;
  /** Maximum number of tasks to show. */
  readonly limit: number;
  /** Whether tasks that have failed are shown, too. */
  readonly failed: boolean;
  /** The id of the row that keys are about. The first row if it is undefined, or not shown. */
  readonly selected?: string | undefined;
  /** What is done once the person agrees. */
  readonly asks?: TopAction | undefined;
  /** Why the last key did nothing. */
  readonly note?: string | undefined;
}

/** What a key does with a task: a verb of this program. */
export interface TopAction {
  readonly verb: "logs" | "shell" | "why" | "events" | "stop" | "restart" | "page";
  readonly id: string;
  readonly task: string;
}

const quitKeys: ReadonlySet<string> = new Set(["q", "Q", "C-c", "C-d", "escape", endKey]);

const verbs: Readonly<Record<string, TopAction["verb"]>> = {
  ...{ return: "logs", l: "logs", s: "shell", w: "why", e: "events", o: "page", x: "stop", r: "restart" },
};
/** What needs a running task, and what is done only if the person agrees. */
const needRunning: ReadonlySet<string> = new Set(["shell", "stop", "restart"] satisfies TopAction["verb"][]);
const asked: ReadonlySet<string> = new Set(["stop", "restart"] satisfies TopAction["verb"][]);

/** By how many rows a key moves. */
const moves: Readonly<Record<string, number>> = {
  ...{ up: -1, k: -1, down: 1, j: 1, pageup: -10, pagedown: 10 },
  ...{ home: Number.NEGATIVE_INFINITY, end: Number.POSITIVE_INFINITY },
};

/**
 * The view after a key was pressed; `quit` if the key ends the program; or what it does with a task.
 * @param shown the rows that are shown, in order
 */
export function press(
  { note: _, ...view }: TopView,
  key: string,
  shown: readonly TaskRow[] = [],
): TopView | TopAction | "quit" {
  if (view.asks !== undefined) {
    const { asks, ...rest } = view;
    return key === endKey ? "quit" : key === "y" || key === "Y" ? asks : rest;
  }
  if (view.typing) return type(view, key);
  if (key === "/") return { ...view, typing: true };
  // Escape ends the search first, and the program next.
  if (key === "escape" && view.search !== "") return { ...view, search: "" };
  if (quitKeys.has(key)) return "quit";
  const at = selectedIn(shown, view);
  const move = moves[key];
  if (move !== undefined) {
    const to = Math.max(0, Math.min(shown.length - 1, at + move));
    return { ...view, selected: shown[to]?.id };
  }
  if (key === "f") return { ...view, failed: !view.failed };
  const [verb, row] = [verbs[key], shown[at]];
  if (verb !== undefined && row !== undefined) return act(view, verb, row);
  const sort = sortKeys.get(key.toLowerCase());
  return sort === undefined ? view : { ...view, sort };
}

function act(view: TopView, verb: TopAction["verb"], { id, task, pid }: TaskRow): TopView | TopAction {
  const action = { verb, id, task };
  if (pid === null && needRunning.has(verb)) return { ...view, selected: id, note: `${task} does not run` };
  return asked.has(verb) ? { ...view, selected: id, asks: action } : action;
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

function selectedIn(rows: readonly TaskRow[], { selected }: TopView): number {
  return Math.max(
    0,
    rows.findIndex(({ id }) => id === selected),
  );
}

/** The row that keys are about; undefined if no row is shown. */
export function selectedRow(rows: readonly TaskRow[], view: TopView): TaskRow | undefined {
  const shown = matching(rows, view).slice(0, view.limit);
  return shown[selectedIn(shown, view)];
}

/** The tasks that the search finds, in the chosen order. */
export function matching(rows: readonly TaskRow[], { search, sort }: TopView): TaskRow[] {
  const { text, fits } = searched(search);
  return rows.filter((row) => textOf(row).includes(text) && fits(row)).toSorted(orders[sort]);
}

interface Searched {
  readonly text: string;
  readonly fits: TaskFilter;
  /** Why a filter does not work; it may not be typed to its end. */
  readonly problem?: string;
}

function searched(search: string): Searched {
  const words = search.split(" ");
  const filters = words.filter((word) => word.includes("="));
  const text = words
    .filter((word) => !word.includes("="))
    .join(" ")
    .trim()
    .toLowerCase();
  try {
    return { text, fits: taskFilter(filters) };
  } catch (thrown) {
    if (!(thrown instanceof DriverError)) throw thrown;
    return { text, fits: () => true, problem: thrown.summary };
  }
}

function textOf({ task, id, job, group, user, command, state, result }: TaskRow): string {
  return [task, id, job, group, user, command, state, result].join("\n").toLowerCase();
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

/** Before each row of the table, if the terminal has so much room. */
const marks = { selected: "> ", other: "  " } as const;
const noMarks = { selected: "", other: "" } as const;
const minColumnsWithMarks = 20;
/** With fewer lines, the table gets them all. */
const minRowsWithUsage = 12;

/**
 * @param clock the time of day as text
 * @param usage what the selected task has used so far
 * @returns lines that fit on the terminal
 */
export function topFrame(
  rows: readonly TaskRow[],
  view: TopView,
  clock: string,
  style: Style,
  { columns, rows: height }: FrameSize,
  usage: readonly UsagePoint[] = [],
): string[] {
  const title = [summary(rows), clock, `by ${view.sort}`, "c m a n sort", "/ search", "q quit"];
  while (title.length > 1 && title.join(separator).length > columns) title.pop();
  const found = matching(rows, view);
  const head = [
    style.bold(title.join(separator).slice(0, columns)),
    beginningOf(secondLine(view, found.length), columns),
  ];
  const none = rows.length === 0 ? "No task is running." : "No running task matches.";
  const limited = found.slice(0, view.limit);
  if (limited.length === 0) return [...head, none.slice(0, columns)].slice(0, height);
  const at = selectedIn(limited, view);
  const selected = limited[at];
  const below =
    height < minRowsWithUsage || selected === undefined || usage.length === 0
      ? []
      : ["", ...usageLines(usage, selected, columns, style)];
  const room = Math.max(0, height - head.length - below.length);
  const mark = columns < minColumnsWithMarks ? noMarks : marks;
  const [header = "", ...lines] = taskTable(limited, style, columns - mark.other.length);
  const isCut = lines.length + 1 > room || limited.length < found.length;
  const count = Math.min(lines.length, Math.max(0, room - (isCut ? 2 : 1)));
  // The selected row stays in sight.
  const first = Math.max(0, Math.min(at - count + 1, lines.length - count));
  const table = lines.slice(first, first + count).map((line, index) => {
    const isSelected = first + index === at;
    const marked = (isSelected ? mark.selected : mark.other) + line;
    return isSelected ? style.inverse(marked) : marked;
  });
  const more = isCut ? [`… and ${found.length - count} more`.slice(0, columns)] : [];
  return [...head, mark.other + header, ...table, ...more, ...below].slice(0, height);
}

const separator = "   ";

function secondLine({ search, typing, asks, note, failed }: TopView, found: number): string {
  if (asks !== undefined)
    return `${asks.verb} ${visible(asks.task)}, ${visible(asks.id)}? y, or any other key`;
  if (note !== undefined) return visible(note);
  const { problem } = searched(search);
  const why = problem === undefined ? "" : `   ${visible(problem)}`;
  if (typing) return `search: ${visible(search)}_${why}`;
  const ofSearch = search === "" ? [] : [`${found} with "${visible(search)}"   Esc shows all${why}`];
  const parts = [...(failed ? ["with failed tasks"] : []), ...ofSearch];
  return parts.length > 0 ? parts.join(separator) : found > 0 ? rowKeys : "";
}

const rowKeys = "l logs   s shell   w why   e events   x stop   r restart   o page   f failed";

function summary(rows: readonly TaskRow[]): string {
  const running = rows.filter(({ pid, result }) => pid !== null || result === null);
  const sum = (figure: (row: TaskRow) => number | null) =>
    running.reduce((total, row) => total + (figure(row) ?? 0), 0);
  const cpu = cpuText(sum(({ cpuPercent }) => cpuPercent));
  const memory = formatBytes(sum(({ memoryBytes }) => memoryBytes));
  return `${running.length} ${running.length === 1 ? "task" : "tasks"}, CPU ${cpu}, memory ${memory}`;
}
