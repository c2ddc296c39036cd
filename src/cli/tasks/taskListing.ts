/** Tables of tasks. Pure. */
import { shortId } from "../../base/taskId.ts";
import { formatDuration, formatLife } from "../../units/durations.ts";
import { formatShare } from "../../units/ratios.ts";
import { formatBytes } from "../../units/sizes.ts";
import { visible, visibleTexts } from "../../units/visible.ts";
import { blanks, cellsOf, cutText } from "../../units/widths.ts";
import type { TaskHistory } from "../histories/readHistory.ts";
import type { Style } from "../terminal/style.ts";
import { formatTable } from "../terminal/table.ts";
import type { TaskRow } from "./taskRow.ts";

/** A row that stands for several runs of a task shows the newest one. */
export interface ListedTask extends TaskRow {
  /** Missing for a single run. Milliseconds since its first and its newest run were requested. */
  readonly runs?: { readonly count: number; readonly firstMs: number; readonly lastMs: number };
}

interface Column {
  readonly name: string;
  /** Columns of a lower rank are dropped first. */
  readonly rank: number;
  readonly right?: boolean;
  /** Minimum width, so that the table keeps its shape while figures change. */
  readonly minWidth?: number;
  /** Whether its texts may be cut. */
  readonly cut?: boolean;
  readonly text: (row: ListedTask, style: Style) => string;
}

/** Placeholders: for a value that is unknown, and for a value that does not exist. */
const unknown = "?";
const nothing = "-";

const columns: readonly Column[] = [
  { name: "TASK", rank: 10, cut: true, text: ({ task }) => task },
  { name: "ALLOCATION", rank: 5, text: ({ allocation }) => shortId(allocation) },
  { name: "JOB", rank: 2, text: ({ job }) => job || unknown },
  { name: "STATE", rank: 8, text: ({ result, state }, style) => paintState(result ?? state, style) },
  { name: "PID", rank: 7, right: true, text: ({ pid }) => (pid === null ? nothing : String(pid)) },
  { name: "USER", rank: 3, text: ({ user, uid }) => user || (uid === null ? unknown : String(uid)) },
  { name: "CPU", rank: 9, right: true, minWidth: 5, text: (row) => figure(row, row.cpuPercent, cpuText) },
  {
    name: "MEMORY",
    rank: 8,
    right: true,
    minWidth: 8,
    text: (row) => figure(row, row.memoryBytes, formatBytes) + memoryLimit(row),
  },
  {
    name: "AGE",
    rank: 4,
    right: true,
    minWidth: 6,
    text: ({ result, ageMs }) => (result === null ? formatDuration(ageMs) : formatLife(ageMs)),
  },
];

const diskColumn: Column = {
  name: "DISK",
  rank: 2.5,
  right: true,
  minWidth: 8,
  text: ({ diskBytes, diskLimitBytes }) =>
    diskBytes === null ? nothing : formatBytes(diskBytes) + limitText(diskLimitBytes),
};

const runColumns: readonly Column[] = [
  { name: "RUNS", rank: 6.5, right: true, text: ({ runs }) => String(runs?.count ?? 1) },
  { name: "FIRST", rank: 2.2, right: true, text: ({ runs }) => (runs ? agoText(runs.firstMs) : nothing) },
  { name: "LAST", rank: 2.4, right: true, text: ({ runs }) => (runs ? agoText(runs.lastMs) : nothing) },
];

const endColumn: Column = { name: "END", rank: 6, cut: true, text: ({ end }) => end ?? "" };

const pinColumn: Column = {
  name: "PINNED",
  rank: 1,
  cut: true,
  text: ({ pin }) => (pin ? visible(pin.reason) || "yes" : ""),
};

const gap = "  ";

/** Length to which names and reasons are cut, before any column is dropped. */
const shortText = 20;

/**
 * The tasks of this node and their usage. On a narrow terminal, the least important columns are dropped.
 * @param width of the terminal; no line is longer
 * @returns the header, and a line for each task
 */
export function taskTable(rows: readonly ListedTask[], style: Style, width: number): string[] {
  const all = [
    ...columns,
    ...(rows.some(({ diskBytes }) => diskBytes !== null) ? [diskColumn] : []),
    ...(rows.some(({ runs }) => runs !== undefined) ? runColumns : []),
    ...(rows.some(({ end }) => end !== null) ? [endColumn] : []),
    ...(rows.some(({ pin }) => pin !== null) ? [pinColumn] : []),
  ];
  const shown = rows.map(visibleTexts);
  let cells = all.map(({ text, ...column }) =>
    measured(column, [style.dim(column.name), ...shown.map((row) => text(row, style))]),
  );
  if (totalWidth(cells) > width) cells = cells.map((each) => (each.cut ? shortened(each, shortText) : each));
  while (totalWidth(cells) > width && cells.length > 1) {
    const lowest = cells.reduce((a, b) => (b.rank < a.rank ? b : a));
    cells = cells.filter((each) => each !== lowest);
  }
  if (totalWidth(cells) > width) cells = cells.map((each) => shortened(each, width));
  return ["", ...rows].map((_, line) =>
    cells
      .map(({ texts, room, right }) => {
        const text = texts[line] ?? "";
        return right ? blanks(text, room) + text : text + blanks(text, room);
      })
      .join(gap)
      .trimEnd(),
  );
}

/** Such as `3 min ago`. */
function agoText(ms: number): string {
  return `${formatDuration(Math.max(0, ms))} ago`;
}

function memoryLimit({ memoryBytes, memoryLimitBytes }: TaskRow): string {
  return memoryBytes === null ? "" : limitText(memoryLimitBytes);
}

function limitText(bytes: number | null): string {
  return bytes === null ? "" : ` / ${formatBytes(bytes)}`;
}

const historyHeader = ["TASK", "ALLOCATION", "JOB", "STATE", "BEGAN", "RAN", "END"];

/** The histories of tasks, one row each; the last column wraps. */
export function historyTable(
  histories: readonly TaskHistory[],
  now: number,
  pinned: Pick<ReadonlyMap<string, unknown>, "has">,
  style: Style,
  width: number,
): string {
  const rows = histories
    .map(visibleTexts)
    .map(({ id, allocation, task, job, state, result, begunAt, ranMs, end }) => [
      task,
      shortId(allocation),
      job ?? "",
      paintState(result ?? state, style),
      begunAt === 0 ? "" : agoText(now - begunAt),
      ranMs === undefined ? "" : formatLife(ranMs),
      [end, ...(pinned.has(id) ? ["pinned"] : [])].filter((text) => text !== "").join(", "),
    ]);
  return formatTable([historyHeader.map((name) => style.dim(name)), ...rows], width);
}

/** The line below a table that does not list all tasks. */
export function earlierText(count: number): string {
  return `${count} earlier ${count === 1 ? "task is" : "tasks are"} not listed: -n 0 lists all`;
}

interface Cells extends Omit<Column, "text"> {
  readonly texts: readonly string[];
  readonly room: number;
}

function measured(column: Omit<Column, "text">, texts: readonly string[]): Cells {
  return { ...column, texts, room: Math.max(column.minWidth ?? 0, ...texts.map(cellsOf)) };
}

function shortened(cells: Cells, room: number): Cells {
  const texts = cells.texts.map((text) => cutText(text, room));
  return measured(cells, texts);
}

/** @param percent of one core */
export function cpuText(percent: number): string {
  return formatShare(percent / 100);
}

function totalWidth(cells: readonly Cells[]): number {
  return cells.reduce((sum, { room }) => sum + room + gap.length, -gap.length);
}

/** A figure as text. A missing figure is `?` for a running task, and `-` for any other. */
function figure({ pid }: TaskRow, value: number | null, format: (value: number) => string): string {
  if (value !== null) return format(value);
  return pid === null ? nothing : unknown;
}

/** @param state of a task, or a word in its place, such as `completed`, `gone` or `damaged` */
function paintState(state: string, style: Style): string {
  if (badStates.has(state)) return style.red(state);
  return state === "running" || state === "recovered" ? style.green(state) : state;
}

const badStates: ReadonlySet<string> = new Set([
  "failed",
  "killed",
  "out of memory",
  "never started",
  "lost",
  "gone",
  "damaged",
]);
