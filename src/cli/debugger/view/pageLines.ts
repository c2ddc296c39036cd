/** The content of each page, such as the help. Pure. */
import { namesOfMoment } from "../../../replay/expression/momentScope.ts";
import { type Line, span, wrapLine } from "../../terminal/spans.ts";
import { bindingGroups } from "../bindings.ts";
import { commands } from "../commands.ts";
import { currentMoment, type DebuggerState, shownHistory } from "../debuggerState.ts";
import { countStops } from "../stops.ts";
import { momentLines } from "./momentLines.ts";

/** @returns all lines of the page, also those scrolled out of view */
export function pageLines(state: DebuggerState, columns: number): Line[] {
  switch (state.page) {
    case "moment":
    case "whole": {
      const moment = currentMoment(state);
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
  const about = `It ends in ${now}; as recorded, it ended in ${then}. Nothing is stored. As a file for --what-if:`;
  const file = edits.map((edit, index) => JSON.stringify(edit) + (index + 1 < edits.length ? "," : ""));
  return [
    [span(about)],
    [],
    [span("[")],
    ...file.map((edit): Line => [span(`  ${edit}`, "yellow")]),
    [span("]")],
  ].flatMap((line) => wrapLine(line, columns, 4));
}

function helpLines(columns: number): Line[] {
  // The first two groups are for pages of their own. They come last, after the keys of the main page.
  const groups = [...bindingGroups.slice(2), ...bindingGroups.slice(0, 2)];
  return [
    ...groups.flatMap(({ title, bindings }) =>
      section(
        title,
        bindings.map(({ shown, does }) => [shown, does]),
      ),
    ),
    ...section(
      "Commands (tab completes)",
      commands.map(({ names: [name = ""], argument, does }) => [
        `:${name}`,
        argument === "" ? does : `${argument}: ${does}`,
      ]),
    ),
    ...section("Places to go to", places),
    ...section("Expressions", expressions),
    ...section("Names in them", [
      ...Object.entries(namesOfMoment),
      ["exit.exitCode …", "the task's context, as return shows it; missing values are null"],
    ]),
  ].flatMap((line) => wrapLine(line, columns, Math.min(keyColumns, Math.floor(columns / 3))));
}

type Entry = readonly [string, string];

const keyColumns = 20;

const places: readonly Entry[] = [
  [":7", "event 7"],
  [":+3 :-3", "three events on, or back"],
  [":+1.5s :-1.5s", "this long after the first event, or before the last (ms, s, m, h, d)"],
  [":20:24:27.865", "that time on the day of the current event"],
  [":2026-11-24T20:24Z", "a date and time, as shown or as ISO 8601"],
];

const expressions: readonly Entry[] = [
  ["==  !=", "equal, or not"],
  ["<  <=  >  >=", "numbers, or texts; never true of missing values"],
  ["contains", "a text contains a part, or a list an entry"],
  ["changed NAME", "the event has changed the value"],
  ["and  or  not  ( )", "combine conditions"],
  ["'text'  5s  64MiB", "text, times and sizes"],
];

function section(title: string, entries: readonly Entry[]): Line[] {
  const lines = entries.map(
    ([name, does]): Line => [span(`  ${name.padEnd(keyColumns - 2)}`, "cyan"), span(` ${does}`)],
  );
  return [[span(title, "bold")], ...lines, []];
}
