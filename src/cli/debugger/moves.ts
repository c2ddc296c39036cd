/** Moves from moment to moment. Pure. */
import { isError, type MomentTest, mentions } from "../../replay/search.ts";
import { type DebuggerState, notified, refused, shownHistory } from "./debuggerState.ts";
import { layoutOf } from "./layout.ts";
import { type Direction, SEARCH_LIMIT, type SearchResult, seek } from "./seek.ts";

/** Goes to an event, or to the nearest existing one. */
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
 * Goes to where a search stopped.
 * @param notFound what to say if the search is unfinished
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
      return notified(next, `${notFound} among ${SEARCH_LIMIT} events: the same again looks further`);
  }
}

/** Goes to the next event in a direction that contains the search text; wraps around at either end. */
export function goToMatch(state: DebuggerState, direction: Direction): DebuggerState {
  const { search } = state;
  if (search === "") return refused(state, "nothing is searched for: / begins a search");
  const history = shownHistory(state);
  const fits = mentions(search);
  const ahead = seek(history, state.at, direction, fits);
  const wraps = ahead.kind === "nowhere";
  const result = wraps ? seek(history, direction === 1 ? 0 : history.length + 1, direction, fits) : ahead;
  if (result.kind === "nowhere") return refused(state, `no event mentions "${search}"`);
  const next = arrive(state, result, `no "${search}"`);
  if (!wraps || result.kind !== "found") return next;
  return notified(next, `searched on from the ${direction === 1 ? "first" : "last"} event`);
}
