/** Searches a history for a moment. Pure. */
import { isWrong, summarize } from "../../machines/events.ts";
import { contextDiff } from "./contextDiff.ts";
import type { History, Moment } from "./history.ts";

/** Whether a moment matches. */
export type MomentTest = (moment: Moment) => boolean;

const CHUNK = 64;

/** The first matching moment after event number `from`; undefined if there is none. */
export function nextMoment(history: History, from: number, fits: MomentTest): Moment | undefined {
  for (const moment of history.moments(from + 1)) if (fits(moment)) return moment;
  return undefined;
}

/** The last matching moment before event number `from`; undefined if there is none. */
export function previousMoment(history: History, from: number, fits: MomentTest): Moment | undefined {
  // Folds chunks forwards: single steps back would fold many events again.
  for (let end = from - 1; end >= 1; end -= CHUNK) {
    const moments: Moment[] = [];
    for (let seq = Math.max(1, end - CHUNK + 1); seq <= end; seq++) moments.push(history.at(seq));
    const found = moments.findLast(fits);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * The last moment at or before a time; undefined if the time is before the first moment.
 * @param time milliseconds since the epoch
 */
export function momentAt(history: History, time: number): Moment | undefined {
  return previousMoment(history, history.length + 1, ({ stored }) => stored.time <= time);
}

/** Matches the moments at which the task enters a state, or enters it again. */
export function enters(state: string): MomentTest {
  return ({ after, before, effects }) =>
    after.value === state && (before.value !== state || effects.length > 0);
}

export function isOfType(type: string): MomentTest {
  return ({ stored }) => stored.type === type;
}

/** Whether something went wrong: with the task, or with the replay. */
export function isError({ event, before, accepted, asRecorded }: Moment): boolean {
  if (event === undefined || !accepted || !asRecorded) return true;
  return isWrong(event, before.value);
}

/** Matches text, ignoring case, in the event's summary, its stored fields and the names of changed values. */
export function mentions(text: string): MomentTest {
  const needle = text.toLowerCase();
  return ({ stored: { type, from, to, effects, data }, event, before, after }) => {
    const changed = contextDiff(before.context, after.context).map(({ path }) => path.join("."));
    const shown = [event ? summarize(event) : "", ...changed];
    const stored = JSON.stringify([type, from, to, effects, data]);
    return `${stored}\n${shown.join("\n")}`.toLowerCase().includes(needle);
  };
}
