/** Parses places in a history. Pure. */
import type { History } from "../../replay/history.ts";
import { momentAt } from "../../replay/search.ts";
import { parseDuration } from "../../units/durations.ts";
import { parseTime } from "../../units/times.ts";

/**
 * Parses a place into the number of an event:
 * - `7`; or `+3` and `-3`, relative to the present event;
 * - `+1.5s` after the first event, `-1.5s` before the last one;
 * - a clock, `20:24:27.865`, on the day of the present event;
 * - a date and time, as shown or as ISO 8601.
 *
 * A time stands for the last event at or before it, or else the first event.
 * @param at number of the present event
 * @returns undefined if the text is not a place; the number may be out of range
 */
export function placeIn(text: string, history: History, at: number): number | undefined {
  if (/^\d+$/.test(text)) return Number(text);
  if (/^[+-]\d+$/.test(text)) return at + Number(text);
  const time = timeIn(text, history, at);
  return time === undefined ? undefined : (momentAt(history, time)?.seq ?? 1);
}

function timeIn(text: string, { events }: History, at: number): number | undefined {
  const [first, last, present] = [events[0], events.at(-1), events[at - 1]];
  if (first === undefined || last === undefined) return undefined;
  if (/^[+-]/.test(text)) {
    const span = parseDuration(text.slice(1));
    if (span === undefined) return undefined;
    return text.startsWith("+") ? first.time + span : last.time - span;
  }
  return parseTime(text, (present ?? first).time);
}
