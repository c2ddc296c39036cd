/** A task's history as a Mermaid sequence diagram, to be pasted into a ticket. Pure. */
import { summarize, traitsOf } from "../../machines/events.ts";
import { formatDuration } from "../../units/durations.ts";
import { formatZonedTime } from "../../units/times.ts";
import { visible } from "../../units/visible.ts";
import { wrap } from "../../units/widths.ts";
import type { History, Moment } from "../replay/history.ts";
import { foldRepeats, isRepeat, type Repeat, repeatKey } from "../replay/repeats.ts";

/** Longer texts would cover the lines of other participants. */
const maxLineLength = 44;

/** Events are arrows from their cause to the party that they concern; states are notes. */
export function sequenceDiagram(history: History): string {
  const lines = [
    "sequenceDiagram",
    `  title ${escaped(titleOf(history))}`,
    "  participant agent as Nomad agent",
    "  participant driver",
    "  participant task",
  ];
  for (const item of foldRepeats([...history.moments()], ({ stored }) => repeatKey(stored))) {
    if (isRepeat(item)) lines.push(...loopOf(item));
    else lines.push(...arrowsOf(item));
  }
  return `${lines.join("\n")}\n`;
}

function arrowsOf(moment: Moment): string[] {
  const { stored, before, after } = moment;
  const text = wrap(textOf(moment), maxLineLength).map(escaped).join("<br/>");
  const note = before.value === after.value ? [] : [`  Note over driver: ${escaped(after.value)}`];
  return [`  ${arrowOf(stored.type)}: ${text}`, ...note];
}

/** A loop for events that repeat: the first round stands for all. */
function loopOf({ repeated, period }: Repeat<Moment>): string[] {
  const last = repeated.at(-1)?.seq ?? 0;
  const loop = `  loop ${repeated.length / period} times, until event ${last}`;
  return [loop, ...repeated.slice(0, period).flatMap(arrowsOf), "  end"];
}

function titleOf({ stream, events }: History): string {
  const [first] = events;
  return first === undefined ? stream : `${stream}, ${formatZonedTime(first.time)}`;
}

function textOf({ seq, stored, event, problem, sinceBefore }: Moment): string {
  const after = sinceBefore === undefined ? "" : ` after ${formatDuration(Math.max(0, sinceBefore))}`;
  const what = event === undefined ? `this version cannot read it: ${problem}` : summarize(event);
  return `${seq} ${stored.type}${after}: ${what}`;
}

function arrowOf(type: string): string {
  const [from, to] = traitsOf(type)?.shown.parties ?? ["driver", "driver"];
  return `${from}${from === "task" ? "-->>" : "->>"}${to}`;
}

/**
 * Escapes text so that Mermaid shows it literally. Characters with a meaning in Mermaid become entities such
 * as `#37;`. These characters end a line or a statement, or begin an entity, a comment or directive (`%%`), a
 * formula (`$$`) or a tag. Control characters become spaces.
 */
function escaped(text: string): string {
  const line = visible(text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " "));
  return line.replaceAll(/[#;%$<>\\{}]/g, (character) => `#${character.charCodeAt(0)};`);
}
