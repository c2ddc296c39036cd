/** The content of each page: a moment, the help, and lists. Pure. */

import { contextDiff } from "../../history/replay/contextDiff.ts";
import { namesOfMoment } from "../../history/replay/expression/momentScope.ts";
import { effectOutcomes, type History, type Moment } from "../../history/replay/history.ts";
import { isError } from "../../history/replay/search.ts";
import { reportsOf } from "../../machines/taskMachine.ts";
import { formatClock, formatDay, formatTime } from "../../units/times.ts";
import { changeParts, reportText, spanBetween, summarizeMoment } from "../histories/momentSummary.ts";
import { cutLine, type Line, span, wrapLine } from "../terminal/spans.ts";
import type { Look } from "../terminal/style.ts";
import { bindingGroups } from "./bindings.ts";
import { commands } from "./commands.ts";
import { currentMoment, type DebuggerState, shownHistory } from "./debuggerState.ts";
import { countStops } from "./stops.ts";

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
  const [edited, original] = [fork?.history ?? recorded, recorded].map((each) => each.finalState.value);
  const about = `The task ends in ${edited}; as recorded, it ended in ${original}. Nothing is stored. As a file for --what-if:`;
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
      helpSection(
        title,
        bindings.map(({ shown, does }) => [shown, does]),
      ),
    ),
    ...helpSection(
      "Commands (tab completes)",
      commands.map(({ names: [name = ""], argument, does }) => [
        `:${name}`,
        argument === "" ? does : `${argument}: ${does}`,
      ]),
    ),
    ...helpSection("Places to go to", places),
    ...helpSection("Expressions", expressions),
    ...helpSection("Names in expressions", [
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
  ["<  <=  >  >=", "order of numbers or of texts; never true of missing values"],
  ["contains", "a text contains a text, or a list contains an entry"],
  ["changed NAME", "the event has changed the value"],
  ["and  or  not  ( )", "combine conditions"],
  ["'text'  5s  64MiB", "text, times and sizes"],
];

function helpSection(title: string, entries: readonly Entry[]): Line[] {
  const lines = entries.map(
    ([name, does]): Line => [span(`  ${name.padEnd(keyColumns - 2)}`, "cyan"), span(` ${does}`)],
  );
  return [[span(title, "bold")], ...lines, []];
}

/**
 * The most interesting parts come first, and all of the machine's context last.
 * @param inFull true wraps long values and shows lists entry by entry; false cuts them
 * @returns lines of at most `columns` cells
 */
function momentLines(history: History, moment: Moment, columns: number, inFull = false): Line[] {
  const sections = [
    ...effects(history, moment),
    ...changes(moment, inFull),
    ...values("data", moment.stored.data, inFull),
    ...values("context", moment.after.context, inFull),
  ];
  const fit = (line: Line) => (inFull ? wrapLine(line, columns, 6) : [cutLine(line, columns)]);
  return [...heading(history, moment, columns), ...sections.flatMap(fit)];
}

function heading(history: History, moment: Moment, columns: number): Line[] {
  const { seq, stored, before, after, sinceBefore } = moment;
  const [from, to] = [before.value, after.value];
  const first = history.events[0] ?? stored;
  const states: Line =
    from === to ? [span("in ", "dim"), span(to, "bold")] : [span(`${from} → `, "dim"), span(to, "bold")];
  const sinceLast = sinceBefore === undefined ? "" : `  ${spanBetween(sinceBefore)}`;
  const sinceFirst = seq <= 2 ? "" : `  (${spanBetween(stored.time - first.time)} since 1)`;
  const { text, isProblem } = summarizeMoment(moment);
  const type = span(stored.type, "bold", isError(moment) ? "red" : "cyan");
  return [
    [span(`event ${seq} `, "bold"), type, span("  "), ...states],
    [span(clockOf(stored.time, first.time)), span(sinceLast), span(sinceFirst, "dim")],
    ...text.split("\n").map((line) => [isProblem ? span(line, "red") : span(line)]),
  ].flatMap((line) => wrapLine(line, columns, 2));
}

/** Includes the day only if it is not the day in the title. */
function clockOf(time: number, first: number): string {
  return formatDay(time) === formatDay(first) ? formatClock(time) : formatTime(time);
}

function effects(history: History, moment: Moment): Line[] {
  const outcomes = effectOutcomes(history, moment);
  return section(
    "effects",
    outcomes.map(({ effect, report }): Line => {
      const name = span(`  ${effect} `, "yellow");
      if (report !== undefined) return [name, span(reportText(moment, report))];
      return [name, span(reportsOf(effect)?.length === 0 ? "reports nothing" : "no report", "dim")];
    }),
  );
}

const signs: Readonly<Record<"+" | "-" | "~", Look>> = { "+": "green", "-": "red", "~": "yellow" };

function changes({ before, after }: Moment, inFull: boolean): Line[] {
  const changed = contextDiff(before.context, after.context);
  return section(
    "changed",
    changed.flatMap((change) => {
      const { sign, name, values: sides } = changeParts(change);
      const head = [span(`${sign} `, signs[sign], "bold"), span(`${name}  `, signs[sign])];
      const [one, other] = sides;
      if (sides.length === 1) return valueLines(head, change.path, one, inFull);
      return [[...head, span(textOf(one), "dim"), span(" → ", "dim"), span(textOf(other))]];
    }),
  );
}

function values(name: string, data: unknown, inFull: boolean): Line[] {
  const entries = contextDiff({}, data);
  return section(
    name,
    entries.flatMap(({ path, after }) =>
      valueLines([span(`  ${path.join(".")}  `, "cyan")], path, after, inFull),
    ),
  );
}

function section(name: string, lines: readonly Line[]): Line[] {
  return lines.length === 0 ? [] : [[], [span(name, "bold", "dim")], ...lines];
}

/** In full, a list has one line for each entry, and a time shows its stored number, too. */
function valueLines(head: Line, path: readonly string[], value: unknown, inFull: boolean): Line[] {
  if (isTime(path, value)) {
    const kept = inFull ? [span(`  ${value}`, "dim")] : [];
    return [[...head, span(formatTime(value)), ...kept]];
  }
  if (!inFull || !Array.isArray(value) || value.length < 2) {
    return [[...head, span(textOf(value), ...(value === null ? (["dim"] as const) : []))]];
  }
  return [
    [...head, span(`${value.length} entries`, "dim")],
    ...value.map((each): Line => [span("    - ", "dim"), span(textOf(each))]),
  ];
}

/** Times are in milliseconds since the epoch, and their names end with `At`. */
function isTime(path: readonly string[], value: unknown): value is number {
  return typeof value === "number" && value > 0 && /(^a|A)t$/.test(path.at(-1) ?? "");
}

function textOf(value: unknown): string {
  return JSON.stringify(value) ?? "nothing";
}
