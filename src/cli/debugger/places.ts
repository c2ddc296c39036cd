/** Places in a history as people write them. Pure. */
import { amountIn } from "../../replay/expression/amounts.ts";
import type { History } from "../../replay/history.ts";
import { momentAt } from "../../replay/search.ts";
import { formatTime } from "../../words/time.ts";

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
    const amount = amountIn(text.slice(1));
    if (amount === undefined) return undefined;
    return text.startsWith("+") ? first.time + amount : last.time - amount;
  }
  if (/^\d\d?:\d\d(:\d\d(\.\d+)?)?$/.test(text)) {
    const day = formatTime((present ?? first).time).slice(0, 10);
    return parsed(`${day} ${/^\d:/.test(text) ? `0${text}` : text}`);
  }
  if (/^\d{4}-\d\d-\d\d$/.test(text)) return parsed(`${text} 00:00`);
  const isTime = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?$/.test(text);
  return isTime ? parsed(text) : undefined;
}

function parsed(text: string): number | undefined {
  const time = Date.parse(text);
  return Number.isNaN(time) ? undefined : time;
}
