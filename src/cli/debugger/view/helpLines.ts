/** The help page. Pure. */
import { namesOfMoment } from "../../../replay/expression/momentScope.ts";
import { type Line, span, wrapLine } from "../../terminal/spans.ts";
import { bindingGroups } from "../bindings.ts";
import { commands } from "../commands.ts";

export function helpLines(columns: number): Line[] {
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
  [":20:24:27.865", "that time on the day of the present event"],
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
