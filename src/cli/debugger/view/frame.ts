/** One frame of the view. Pure. */
import { taskName } from "../../../taskId.ts";
import { formatDay } from "../../../units/times.ts";
import { cutLine, fillLine, type Line, paintLine, span } from "../../terminal/spans.ts";
import type { Style } from "../../terminal/style.ts";
import type { DebuggerState } from "../debuggerState.ts";
import { layoutOf } from "../layout.ts";
import { bottomLines } from "./bottomLines.ts";
import { listLines } from "./listLines.ts";
import { pageLines } from "./pageLines.ts";

/** @returns exactly the terminal's number of lines, each at most as wide as the terminal */
export function frame(state: DebuggerState, style: Style): string[] {
  const { columns, rows } = state.size;
  const bottom = bottomLines(state);
  const top = layoutOf(state).titleRows === 0 ? bodyLines(state) : [titleLine(state), ...bodyLines(state)];
  const lines = [...top.slice(0, Math.max(0, rows - bottom.length)), ...bottom].slice(-rows);
  return lines.map((line) => paintLine(cutLine(line, columns), style));
}

function titleLine(state: DebuggerState): Line {
  const { recorded, edits, live } = state;
  const { request } = recorded.finalState.context;
  const [first] = recorded.events;
  const task = request?.taskName ?? taskName(recorded.stream);
  const day = first === undefined ? "" : `, ${formatDay(first.time)}`;
  const count = edits.length === 1 ? "1 edit" : `${edits.length} edits`;
  return [
    span(task, "bold"),
    span(` of job ${request?.jobId ?? "unknown"}${day}`),
    ...(live ? [span("  live", "green")] : []),
    ...(edits.length === 0 ? [] : [span(`  what if: ${count}`, "yellow")]),
    span(`  ${recorded.stream}`, "dim"),
  ];
}

function bodyLines(state: DebuggerState): Line[] {
  const { list, beside, page } = layoutOf(state);
  const shown = filled(windowOf(state, pageLines(state, page.columns), page.rows), page.rows);
  if (list === undefined) return shown;
  const events = filled(listLines(state, list), list.rows);
  if (!beside) return [...events, [span("─".repeat(list.columns), "dim")], ...shown];
  return shown.map((line, row) => [
    ...fillLine(events[row] ?? [], list.columns),
    span(" │ ", "dim"),
    ...line,
  ]);
}

/** The visible part of the lines. The last line says how many more are below. */
function windowOf({ scroll, page }: DebuggerState, lines: readonly Line[], rows: number): Line[] {
  const seen = lines.slice(scroll, scroll + rows);
  const below = lines.length - scroll - rows;
  if (below <= 0 || rows < 2) return seen;
  const keys = page === "moment" ? "J K, or return for all" : "j k";
  return [...seen.slice(0, -1), [span(`… ${below + 1} more lines: ${keys}`, "dim")]];
}

function filled(lines: readonly Line[], rows: number): Line[] {
  return Array.from({ length: rows }, (_, row) => lines[row] ?? []);
}
