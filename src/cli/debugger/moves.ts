/** Moves through a history: to events, to places that a person types, and to matches of a search. Pure. */
import { messageOf } from "../../base/errors.ts";
import type { History, Moment } from "../../history/replay/history.ts";
import {
  isError,
  type MomentTest,
  mentions,
  momentAt,
  nextMoment,
  previousMoment,
} from "../../history/replay/search.ts";
import { parseDuration } from "../../units/durations.ts";
import { parseTime } from "../../units/times.ts";
import { type DebuggerState, notified, refused, shownHistory } from "./debuggerState.ts";
import { layoutOf } from "./layout.ts";

/** Goes to event number `seq`, or to the nearest event if there is no such number. */
export function goTo(state: DebuggerState, seq: number): DebuggerState {
  const { length } = shownHistory(state);
  const at = Math.max(Math.min(1, length), Math.min(seq, length));
  const following = state.following && at === length;
  const page = state.page === "whole" ? "whole" : "moment";
  const scroll = at === state.at && page === state.page ? state.scroll : 0;
  return { ...state, at, following, page, scroll };
}

/** Moves by a number of events, back if negative. */
export function step(state: DebuggerState, by: number): DebuggerState {
  const { length } = shownHistory(state);
  const next = goTo(state, state.at + by);
  if (next.at !== state.at) return next;
  return by > 0
    ? notified(next, `the last event is number ${length}`)
    : notified(next, "this is the first event");
}

/** Moves by pages of the list, back if negative. */
export function turnPages(state: DebuggerState, pages: number): DebuggerState {
  const { list } = layoutOf(state);
  return step(state, Math.round(pages * Math.max(2, (list?.rows ?? 10) - 1)));
}

/** Goes to the next or previous error. */
export function goToError(state: DebuggerState, direction: Direction): DebuggerState {
  return goToNext(state, direction, isError, "no error");
}

/**
 * Goes to the next matching moment in a direction.
 * @param notFound what to say if there is none, such as `no error`
 */
export function goToNext(
  state: DebuggerState,
  direction: Direction,
  fits: MomentTest,
  notFound: string,
): DebuggerState {
  const result = seek(shownHistory(state), state.at, direction, fits);
  if (result.kind !== "nowhere") return arrive(state, result, notFound);
  return notified(state, `${notFound} ${direction === 1 ? "after" : "before"} this event`);
}

/**
 * Goes to the event at which a search stopped.
 * @param notFound what to say if the search is unfinished, such as `no error`
 */
export function arrive(
  state: DebuggerState,
  result: Exclude<SearchResult, { kind: "nowhere" }>,
  notFound: string,
): DebuggerState {
  const next = goTo(state, result.seq);
  switch (result.kind) {
    case "found":
      return next;
    case "problem":
      return refused(next, `at event ${result.seq}: ${result.problem}`);
    case "unfinished":
      return notified(next, `${notFound} among ${SEARCH_LIMIT} events: repeat the search to go on`);
  }
}

/** Goes to the next or previous event that has the search text. Wraps around at either end. */
export function goToMatch(state: DebuggerState, direction: Direction): DebuggerState {
  const { search } = state;
  if (search === "") return refused(state, "there is no search text: type / to enter one");
  const history = shownHistory(state);
  const fits = mentions(search);
  const ahead = seek(history, state.at, direction, fits);
  const wraps = ahead.kind === "nowhere";
  const result = wraps ? seek(history, direction === 1 ? 0 : history.length + 1, direction, fits) : ahead;
  if (result.kind === "nowhere") return refused(state, `no event mentions "${search}"`);
  const next = arrive(state, result, `no "${search}"`);
  if (!wraps || result.kind !== "found") return next;
  return notified(next, `continued from the ${direction === 1 ? "first" : "last"} event`);
}

/** A search stops after this many events, about a second's work. The person then decides whether to go on. */
export const SEARCH_LIMIT = 500_000;

export type Direction = 1 | -1;

export type SearchResult =
  | { readonly kind: "found"; readonly seq: number }
  /** The test threw an error at this moment. */
  | { readonly kind: "problem"; readonly seq: number; readonly problem: string }
  /** Not found so far. There are more events to search. */
  | { readonly kind: "unfinished"; readonly seq: number }
  | { readonly kind: "nowhere" };

/**
 * Searches in a direction for the first event that fits.
 * @param from number of an event; the search begins at the event next to it
 */
export function seek(
  history: History,
  from: number,
  direction: Direction,
  fits: MomentTest,
  limit = SEARCH_LIMIT,
): SearchResult {
  let tested = 0;
  let result: SearchResult = { kind: "nowhere" };
  /** @returns whether the search is over */
  const visit = (moment: Moment): boolean => {
    tested += 1;
    result = outcomeAt(moment, fits) ?? (tested < limit ? result : { kind: "unfinished", seq: moment.seq });
    return result.kind !== "nowhere";
  };
  if (direction === 1) nextMoment(history, from, visit);
  else previousMoment(history, from, visit);
  return result;
}

function outcomeAt(moment: Moment, fits: MomentTest): SearchResult | undefined {
  const { seq } = moment;
  try {
    return fits(moment) ? { kind: "found", seq } : undefined;
  } catch (thrown) {
    return { kind: "problem", seq, problem: messageOf(thrown) };
  }
}

/**
 * Parses a place into the number of an event:
 * - `7`; or `+3` and `-3`, relative to the current event;
 * - `+1.5s` after the first event, `-1.5s` before the last one;
 * - a time of day, `20:24:27.865`, on the day of the current event;
 * - a date and time, as shown or as ISO 8601.
 *
 * A time stands for the last event at or before that time. If there is no such event, it stands for the first
 * event.
 * @param at number of the current event
 * @returns undefined if the text is not a place; the number may be out of range
 */
export function placeIn(text: string, history: History, at: number): number | undefined {
  if (/^\d+$/.test(text)) return Number(text);
  if (/^[+-]\d+$/.test(text)) return at + Number(text);
  const time = timeIn(text, history, at);
  return time === undefined ? undefined : (momentAt(history, time)?.seq ?? 1);
}

function timeIn(text: string, { events }: History, at: number): number | undefined {
  const [first, last, current] = [events[0], events.at(-1), events[at - 1]];
  if (first === undefined || last === undefined) return undefined;
  if (/^[+-]/.test(text)) {
    const span = parseDuration(text.slice(1));
    if (span === undefined) return undefined;
    return text.startsWith("+") ? first.time + span : last.time - span;
  }
  return parseTime(text, (current ?? first).time);
}
