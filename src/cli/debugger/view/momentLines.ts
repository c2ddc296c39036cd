/** A moment as lines: the event, its effects, the changes, and its data. Pure. */
import { reportsOf } from "../../../machines/effects.ts";
import { contextDiff } from "../../../replay/contextDiff.ts";
import { effectOutcomes, type History, type Moment } from "../../../replay/history.ts";
import { isError } from "../../../replay/search.ts";
import { formatClock, formatDay, formatTime } from "../../../units/times.ts";
import { changeParts, reportText, spanBetween, summariseMoment } from "../../logs/momentSummary.ts";
import { cutLine, type Line, span, wrapLine } from "../../terminal/spans.ts";
import type { Look } from "../../terminal/style.ts";

/**
 * The most interesting parts come first, and all of the machine's context last.
 * @param inFull true wraps long values and shows lists entry by entry; false cuts them
 * @returns lines of at most `columns` cells
 */
export function momentLines(history: History, moment: Moment, columns: number, inFull = false): Line[] {
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
  const { text, isProblem } = summariseMoment(moment);
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
