/** One picture of the view. Pure. */
import { taskName } from "../../../replay/chooseTask.ts";
import { cutLine, fillLine, type Line, paintLine, span, widthOfLine } from "../../terminal/spans.ts";
import type { Style } from "../../terminal/style.ts";
import { formatTime } from "../../terminal/time.ts";
import { type DebuggerState, presentMoment, shownHistory } from "../debuggerState.ts";
import { layoutOf } from "../layout.ts";
import { listLines } from "./listLines.ts";
import { pageLines } from "./pageLines.ts";
import { promptLine } from "./promptLine.ts";

/** @returns as many lines as the terminal has, none longer than it is wide */
export function frame(state: DebuggerState, style: Style): string[] {
  const { titleRows, barRows } = layoutOf(state);
  const lines = [
    ...(titleRows === 0 ? [] : [titleLine(state)]),
    ...bodyLines(state),
    ...(barRows === 0 ? [] : [bar(state)]),
    lastLine(state),
  ];
  const { columns, rows } = state.size;
  return lines.slice(-rows).map((line) => paintLine(cutLine(line, columns), style));
}

function titleLine(state: DebuggerState): Line {
  const { recorded, edits, live } = state;
  const { request } = recorded.stateAfter(recorded.length).context;
  const [first] = recorded.events;
  const task = request?.taskName ?? taskName(recorded.stream);
  const day = first === undefined ? "" : `, ${formatTime(first.time).slice(0, 10)}`;
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

/** What is seen of lines; the last one tells of more below. */
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

/** Where we are; while something is typed, what is wrong with it, or what it could become. */
function bar(state: DebuggerState): Line {
  const { prompt, notice } = state;
  if (prompt !== undefined && notice !== undefined) return [span(notice.text, "red")];
  if (prompt !== undefined && prompt.candidates.length > 0)
    return [span(prompt.candidates.join("  "), "cyan")];
  return place(state);
}

function place(state: DebuggerState): Line {
  const { at, breakpoints, search, following, count } = state;
  const { length } = shownHistory(state);
  const parts = [
    `${at}/${length}`,
    presentMoment(state)?.after.value ?? "",
    following ? "following" : "",
    breakpoints.length === 0
      ? ""
      : breakpoints.length === 1
        ? "1 breakpoint"
        : `${breakpoints.length} breakpoints`,
    search === "" ? "" : `/${search}`,
    count,
  ].filter((each) => each !== "");
  const line = fillLine([span(` ${parts.join("  ")} `)], state.size.columns);
  return line.map(({ text }) => span(text, "inverse"));
}

function lastLine({ prompt, notice, page, size }: DebuggerState): Line {
  if (prompt !== undefined) return promptLine(prompt, size.columns);
  if (notice !== undefined) return [notice.isProblem ? span(notice.text, "red") : span(notice.text)];
  return hints(
    page === "moment" ? momentHints : page === "whole" ? wholeHints : pageHints[page],
    size.columns,
  );
}

type Hint = readonly [keys: string, does: string];

/** The most useful first: what there is no room for is left out. */
const momentHints: readonly Hint[] = [
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
];
const wholeHints: readonly Hint[] = [
  ["q", "back"],
  ["j k", "scroll"],
  ["← →", "step"],
  ["?", "help"],
];
const pageHints: Readonly<Record<"help" | "breakpoints" | "edits", readonly Hint[]>> = {
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
