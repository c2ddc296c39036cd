/** Places in a history as people write them. Pure. */
import type { History } from "../../replay/history.ts";
import { momentAt } from "../../replay/search.ts";
import { parseDuration } from "../../units/durations.ts";
import { parseTime } from "../../units/times.ts";

/**
 * The number of the event that is meant: `7`; `+3` and `-3`, so many on and back;
 * `+1.5s` from the first event on, `-1.5s` from the last one back; a wall clock,
 * `20:24:27.865`, on the day of the present event; a date and time, as shown or as
 * ISO 8601. A time means the last event that had come by then, or else the first.
 * @param at number of the present event
 * @returns undefined where the text is no place; a number there is no event of is possible
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
