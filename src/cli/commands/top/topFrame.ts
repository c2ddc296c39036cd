/** One frame of `top`. Pure. */
import { formatBytes } from "../../../units/sizes.ts";
import { byCpu, type TaskRow } from "../../tasks/taskRow.ts";
import { percentText, taskTable } from "../../tasks/taskTable.ts";
import type { Style } from "../../terminal/style.ts";

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
  clock: string,
  style: Style,
  { columns, rows: height }: FrameSize,
): string[] {
  const title = [summary(rows), clock, "q quits"];
  while (title.length > 1 && title.join(separator).length > columns) title.pop();
  const head = [style.bold(title.join(separator).slice(0, columns)), ""];
  const table =
    rows.length === 0 ? ["No task runs.".slice(0, columns)] : taskTable(rows.toSorted(byCpu), style, columns);
  const room = Math.max(0, height - head.length);
  const shown =
    table.length <= room
      ? table
      : [...table.slice(0, Math.max(0, room - 1)), more(table.length, room).slice(0, columns)];
  return [...head, ...shown].slice(0, height);
}

const separator = "   ";

function summary(rows: readonly TaskRow[]): string {
  const sum = (figure: (row: TaskRow) => number | null) =>
    rows.reduce((total, row) => total + (figure(row) ?? 0), 0);
  const cpu = percentText(sum(({ cpuPercent }) => cpuPercent));
  const memory = formatBytes(sum(({ memoryBytes }) => memoryBytes));
  return `${rows.length} ${rows.length === 1 ? "task" : "tasks"}, CPU ${cpu}, memory ${memory}`;
}

function more(lines: number, room: number): string {
  return `… and ${lines - room + 1} more`;
}
