/** The content of each page. Pure. */
import { type Line, span, wrapLine } from "../../terminal/spans.ts";
import { type DebuggerState, presentMoment, shownHistory } from "../debuggerState.ts";
import { countStops } from "../stops.ts";
import { helpLines } from "./helpLines.ts";
import { momentLines } from "./momentLines.ts";

/** @returns all lines of the page, also those scrolled out of view */
export function pageLines(state: DebuggerState, columns: number): Line[] {
  switch (state.page) {
    case "moment":
    case "whole": {
      const moment = presentMoment(state);
      if (moment === undefined) return [[span("no event is left: u undoes the last edit", "dim")]];
      return momentLines(shownHistory(state), moment, columns, state.page === "whole");
    }
    case "help":
      return helpLines(columns);
    case "breakpoints":
      return breakpointLines(state);
    case "edits":
      return editLines(state, columns);
  }
}

function breakpointLines(state: DebuggerState): Line[] {
  if (state.breakpoints.length === 0) return [[span("No breakpoint is set: b sets one.", "dim")]];
  const history = shownHistory(state);
  return state.breakpoints.map((breakpoint, index) => {
    const { stops } = countStops(history, breakpoint);
    const line = [
      span(index === state.selected ? "▸ " : "  ", "bold"),
      span(`${index + 1}  `, "dim"),
      span(breakpoint.text, "cyan"),
      span(`  stops at ${stops} of ${history.length} events`, "dim"),
    ];
    return index === state.selected ? line.map(({ text }) => span(text, "inverse")) : line;
  });
}

/** The edits in the format of a file for `--what-if`, to be copied. */
function editLines({ edits, recorded, fork }: DebuggerState, columns: number): Line[] {
  if (edits.length === 0) {
    const advice = "No edits: x drops the current event, m changes it, i inserts one after it.";
    return wrapLine([span(advice, "dim")], columns);
  }
  const [now, then] = [fork?.history ?? recorded, recorded].map((each) => each.finalState.value);
  const about = `It ends in ${now}; recorded is ${then}. Nothing is stored. As a file for --what-if:`;
  const file = edits.map((edit, index) => JSON.stringify(edit) + (index + 1 < edits.length ? "," : ""));
  return [
    [span(about)],
    [],
    [span("[")],
    ...file.map((edit): Line => [span(`  ${edit}`, "yellow")]),
    [span("]")],
  ].flatMap((line) => wrapLine(line, columns, 4));
}
