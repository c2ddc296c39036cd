/** Finding a moment of a history. Pure. */
import { isWrong } from "../machines/events.ts";
import type { History, Moment } from "./history.ts";

/** What is looked for. */
export type MomentTest = (moment: Moment) => boolean;

const TAKEN_AT_ONCE = 64;

/** The first moment after event number `from` that fits; undefined where there is none. */
export function nextMoment(history: History, from: number, fits: MomentTest): Moment | undefined {
  for (const moment of history.moments(from + 1)) if (fits(moment)) return moment;
  return undefined;
}

/** The last moment before event number `from` that fits; undefined where there is none. */
export function previousMoment(history: History, from: number, fits: MomentTest): Moment | undefined {
  // Some at a time, folded forwards: each step back alone would fold many of them again.
  for (let end = from - 1; end >= 1; end -= TAKEN_AT_ONCE) {
    const moments: Moment[] = [];
    for (let seq = Math.max(1, end - TAKEN_AT_ONCE + 1); seq <= end; seq++) moments.push(history.at(seq));
    const found = moments.findLast(fits);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * The last moment that had come at a time; undefined where that is before the first.
 * @param time milliseconds since the epoch
 */
export function momentAt(history: History, time: number): Moment | undefined {
  return previousMoment(history, history.length + 1, ({ stored }) => stored.time <= time);
}

/** The task comes into a state, or comes into it anew. */
export function enters(state: string): MomentTest {
  return ({ after, before, effects }) =>
    after.value === state && (before.value !== state || effects.length > 0);
}

export function isOfType(type: string): MomentTest {
  return ({ stored }) => stored.type === type;
}

/** Something went wrong: with the task, or with the replay. */
export function isError({ event, before, accepted, asRecorded }: Moment): boolean {
  if (event === undefined || !accepted || !asRecorded) return true;
  return isWrong(event, before.value);
}

/** The text is in the event's type, its states, its effects or its data; case does not matter. */
export function mentions(text: string): MomentTest {
  const sought = text.toLowerCase();
  return ({ stored: { type, from, to, effects, data } }) =>
    JSON.stringify([type, from, to, effects, data]).toLowerCase().includes(sought);
}
