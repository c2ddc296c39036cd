/** One frame of `top`. Pure. */
import { formatBytes } from "../../../units/sizes.ts";
import { visible } from "../../../units/visible.ts";
import { beginningOf } from "../../../units/widths.ts";
import type { TaskRow } from "../../tasks/taskRow.ts";
import { cpuText, taskTable } from "../../tasks/taskTable.ts";
import type { Style } from "../../terminal/style.ts";
import { matching, type TopView } from "./topView.ts";

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
