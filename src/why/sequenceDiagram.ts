/** A task's history as a Mermaid sequence diagram, to be pasted into a ticket. Pure. */
import { summarise, traitsOf } from "../machines/events.ts";
import type { History, Moment } from "../replay/history.ts";
import { formatDuration } from "../units/durations.ts";
import { formatTime } from "../units/times.ts";
import { wrap } from "../units/widths.ts";

/** Longer ones would run across the lines of other participants. */
const maxLineLength = 44;

/** Events are arrows, from who caused them to whom they concern; states are notes. */
export function sequenceDiagram(history: History): string {
  const lines = [
    "sequenceDiagram",
    `  title ${escaped(titleOf(history))}`,
    "  participant agent as Nomad agent",
    "  participant driver",
    "  participant task",
  ];
  for (const moment of history.moments()) {
    const { stored, before, after } = moment;
    const text = wrap(textOf(moment), maxLineLength).map(escaped).join("<br/>");
    lines.push(`  ${arrowOf(stored.type)}: ${text}`);
    if (before.value !== after.value) lines.push(`  Note over driver: ${escaped(after.value)}`);
  }
  return `${lines.join("\n")}\n`;
}

function titleOf({ stream, events }: History): string {
  const [first] = events;
  return first === undefined ? stream : `${stream}, ${formatTime(first.time)}`;
}

function textOf({ seq, stored, event, problem, sinceBefore }: Moment): string {
  const after = sinceBefore === undefined ? "" : ` after ${formatDuration(Math.max(0, sinceBefore))}`;
  const what = event === undefined ? `this version cannot read it: ${problem}` : summarise(event);
  return `${seq} ${stored.type}${after}: ${what}`;
}

function arrowOf(type: string): string {
  const [from, to] = traitsOf(type)?.shown.parties ?? ["driver", "driver"];
  return `${from}${from === "task" ? "-->>" : "->>"}${to}`;
}

/**
 * Text that Mermaid shows as it is. What would end the line or the statement, or
 * would begin an entity, a comment or directive (`%%`), a formula (`$$`) or a tag
 * becomes an entity of Mermaid's, `#37;`; control characters become spaces.
 */
function escaped(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ")
    .replaceAll(/[#;%$<>\\{}]/g, (character) => `#${character.charCodeAt(0)};`);
}
