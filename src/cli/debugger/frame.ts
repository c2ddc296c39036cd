/** One frame of the debugger's view: title, list of events, page, and bottom. Pure. */

import { taskName } from "../../base/taskId.ts";
import type { Breakpoint } from "../../history/replay/breakpoint.ts";
import type { Moment } from "../../history/replay/history.ts";
import { isError, mentions } from "../../history/replay/search.ts";
import type { Source } from "../../history/replay/whatIf.ts";
import { maxTypeLength } from "../../machines/events.ts";
import { formatDay } from "../../units/times.ts";
import { visible } from "../../units/visible.ts";
import { blanks, cellsOf } from "../../units/widths.ts";
import { spanBetween } from "../histories/momentSummary.ts";
import {
  cutLine,
  fillLine,
  type Line,
  paintLine,
  type Span,
  span,
  widthOfLine,
  wrapLine,
} from "../terminal/spans.ts";
import type { Look, Style } from "../terminal/style.ts";
import { currentMoment, type DebuggerState, type Page, type Prompt, shownHistory } from "./debuggerState.ts";
import { type Box, layoutOf } from "./layout.ts";
import { pageLines } from "./pageLines.ts";
import { stopsAt } from "./stops.ts";

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

/** The visible part of the lines. The last line says how many more lines are below. */
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

const deltaColumns = 8;
/** Minimum width of the list at which it shows the states. */
const minColumnsWithState = 44;

/** Keeps the current event in the middle, except near either end of the history. */
function listLines(state: DebuggerState, { columns, rows }: Box): Line[] {
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
  const current = seq === state.at;
  const found = state.search !== "" && mentions(state.search)(moment);
  const delta = sinceBefore === undefined ? "" : spanBetween(sinceBefore);
  const typeLooks: Look[] = [isError(moment) ? "red" : "cyan", ...(found ? (["underline"] as const) : [])];
  const line = [
    span(current ? "▸" : " ", "bold"),
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
  if (!current) return filled;
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

/** Ignores a breakpoint that fails. Its error is shown when the view reaches the event. */
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

/** The status bar, and below it the prompt, a notice, or key hints. */
function bottomLines(state: DebuggerState): Line[] {
  const { prompt, page, size } = state;
  const notice = noticeLines(state);
  const maxAbove = layoutOf(state).barRows === 0 ? 0 : size.rows - 2;
  if (prompt === undefined) {
    const last =
      notice.length > 0 ? notice.slice(0, Math.max(1, size.rows - 2)) : [hints(hintsOf[page], size.columns)];
    return [...(maxAbove === 0 ? [] : [bar(state)]), ...last];
  }
  const { candidates } = prompt;
  const line = candidates.length === 0 ? bar(state) : [span(candidates.join("  "), "cyan")];
  const above = notice.length > 0 ? notice : [line];
  return [...above.slice(0, maxAbove), promptLine(prompt, size.columns)];
}

/** A long notice takes more lines than the layout gives to the bottom, and covers lines above. */
function noticeLines({ notice, size }: DebuggerState): Line[] {
  if (notice === undefined) return [];
  const looks = notice.isProblem ? (["red"] as const) : [];
  return wrapLine([span(notice.text, ...looks)], size.columns);
}

function bar(state: DebuggerState): Line {
  const { at, breakpoints, search, following, count } = state;
  const stops = breakpoints.length === 1 ? "1 breakpoint" : `${breakpoints.length} breakpoints`;
  const parts = [
    `${at}/${shownHistory(state).length}`,
    currentMoment(state)?.after.value ?? "",
    following ? "following" : "",
    breakpoints.length === 0 ? "" : stops,
    search === "" ? "" : `/${search}`,
    count,
  ].filter((each) => each !== "");
  return fillLine([span(` ${parts.join("  ")} `, "inverse")], state.size.columns).map(({ text }) =>
    span(text, "inverse"),
  );
}

type Hint = readonly [keys: string, does: string];

/** Each list begins with the most useful hints. Hints that do not fit are omitted. */
const hintsOf: Readonly<Record<Page, readonly Hint[]>> = {
  moment: [
    ["?", "help"],
    ["q", "quit"],
    ["j k", "step"],
    ["return", "all of it"],
    ["/", "search"],
    ["e", "error"],
    ["b", "break"],
    ["c C", "continue"],
    ["x m i", "what if"],
    [":", "go to, commands"],
  ],
  whole: [
    ["q", "back"],
    ["j k", "scroll"],
    ["← →", "step"],
    ["?", "help"],
  ],
  help: [
    ["q", "back"],
    ["j k", "scroll"],
  ],
  breakpoints: [
    ["q", "back"],
    ["j k", "choose"],
    ["d", "remove"],
    ["b", "add"],
    ["c C", "continue"],
  ],
  edits: [
    ["q", "back"],
    ["u", "undo"],
    ["U", "undo all"],
    ["j k", "scroll"],
  ],
};

function hints(all: readonly Hint[], columns: number): Line {
  let line: Line = [];
  for (const [keys, does] of all) {
    const longer = [...line, span(line.length === 0 ? keys : `  ${keys}`, "bold"), span(` ${does}`, "dim")];
    if (widthOfLine(longer) > columns) break;
    line = longer;
  }
  return line;
}

/** The cursor is a character, so that it is visible even without colours. */
const cursorSign = "▏";

/** Keeps the text just before the cursor visible. */
function promptLine({ mark, text, cursor }: Prompt, columns: number): Line {
  const [before, after] = [visible(text.slice(0, cursor)), visible(text.slice(cursor))];
  const room = Math.max(1, columns - 3);
  const characters = [...before];
  let start = 0;
  while (cellsOf(characters.slice(start).join("")) > room) start += 1;
  return [
    span(start === 0 ? mark : "…", "bold"),
    span(characters.slice(start).join("")),
    span(cursorSign, "cyan"),
    span(after),
  ];
}
