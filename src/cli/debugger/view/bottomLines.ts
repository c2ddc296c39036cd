/** The bottom of the view: the status bar, and below it the prompt, a notice, or key hints. Pure. */
import { visible } from "../../../units/visible.ts";
import { cellsOf } from "../../../units/widths.ts";
import { fillLine, type Line, span, widthOfLine, wrapLine } from "../../terminal/spans.ts";
import { currentMoment, type DebuggerState, type Page, type Prompt, shownHistory } from "../debuggerState.ts";
import { layoutOf } from "../layout.ts";

/** A long notice takes more lines than the layout gives to the bottom, and covers lines above. */
export function bottomLines(state: DebuggerState): Line[] {
  const { prompt, notice, page, size } = state;
  const { barRows } = layoutOf(state);
  const noticeLines =
    notice === undefined
      ? []
      : wrapLine([span(notice.text, ...(notice.isProblem ? (["red"] as const) : []))], size.columns);
  if (prompt !== undefined) {
    const { candidates } = prompt;
    const above =
      noticeLines.length > 0
        ? noticeLines
        : candidates.length > 0
          ? [[span(candidates.join("  "), "cyan")]]
          : [bar(state)];
    return [...(barRows === 0 ? [] : above.slice(0, size.rows - 2)), promptLine(prompt, size.columns)];
  }
  const last =
    noticeLines.length > 0
      ? noticeLines.slice(0, Math.max(1, size.rows - 2))
      : [hints(hintsOf[page], size.columns)];
  return [...(barRows === 0 ? [] : [bar(state)]), ...last];
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
