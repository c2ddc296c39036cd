/** The list of events around the present one, one line each. Pure. */
import { maxTypeLength } from "../../../machines/events.ts";
import type { Breakpoint } from "../../../replay/breakpoint.ts";
import type { Moment } from "../../../replay/history.ts";
import { isError, mentions } from "../../../replay/search.ts";
import type { Source } from "../../../replay/whatIf.ts";
import { blanks } from "../../../units/widths.ts";
import { spanBetween } from "../../logs/momentSummary.ts";
import { fillLine, type Line, type Span, span } from "../../terminal/spans.ts";
import type { Look } from "../../terminal/style.ts";
import { type DebuggerState, shownHistory } from "../debuggerState.ts";
import type { Box } from "../layout.ts";
import { stopsAt } from "../stops.ts";

const deltaColumns = 8;
/** Minimum width for the column of states. */
const minColumnsWithState = 44;

/** Keeps the present event in the middle, except near either end of the history. */
export function listLines(state: DebuggerState, { columns, rows }: Box): Line[] {
  const history = shownHistory(state);
  const above = Math.min(state.at - 1 - Math.floor(rows / 2), history.length - rows);
  const first = Math.max(1, above + 1);
  const count = Math.min(rows, history.length - first + 1);
  return Array.from({ length: Math.max(0, count) }, (_, index) =>
    listLine(state, history.at(first + index), columns, String(history.length).length),
  );
}

function listLine(state: DebuggerState, moment: Moment, columns: number, digits: number): Line {
  const { seq, stored, after, sinceBefore } = moment;
  const present = seq === state.at;
  const found = state.search !== "" && mentions(state.search)(moment);
  const delta = sinceBefore === undefined ? "" : spanBetween(sinceBefore);
  const typeLooks: Look[] = [isError(moment) ? "red" : "cyan", ...(found ? (["underline"] as const) : [])];
  const line = [
    span(present ? "▸" : " ", "bold"),
    gutter(state, moment),
    span(` ${String(seq).padStart(digits)} `, "dim"),
    span(stored.type, ...typeLooks),
    span(`${blanks(stored.type, maxTypeLength)} `),
    span(delta.padStart(deltaColumns), "dim"),
    ...(columns < minColumnsWithState
      ? []
      : [span(`  ${after.value}`, ...(after.value === moment.before.value ? (["dim"] as const) : []))]),
  ];
  const filled = fillLine(line, columns);
  if (!present) return filled;
  return filled.map(({ text, looks }) => ({
    text,
    looks: [...looks.filter((look) => look !== "dim"), "inverse"],
  }));
}

/** The mark of a breakpoint that stops here, or of an edited event. */
function gutter({ breakpoints, fork }: DebuggerState, moment: Moment): Span {
  if (isStop(breakpoints, moment)) return span("●", "red");
  const source = fork?.sources[moment.seq - 1];
  return source?.edited ? span(signOf(source), "yellow") : span(" ");
}

/** Ignores failing breakpoints here. The error is shown when the view reaches the event. */
function isStop(breakpoints: readonly Breakpoint[], moment: Moment): boolean {
  try {
    return stopsAt(breakpoints, moment).length > 0;
  } catch {
    return false;
  }
}

function signOf({ recorded }: Source): string {
  return recorded === undefined ? "+" : "~";
}
