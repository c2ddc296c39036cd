/** Going from moment to moment. Pure. */
import { isError, type MomentTest, mentions } from "../../replay/search.ts";
import { type DebuggerState, refused, shownHistory, told } from "./debuggerState.ts";
import { layoutOf } from "./layout.ts";
import { type Direction, LOOKED_AT_ONCE, type Sought, seek } from "./seek.ts";

/** Goes to an event, or the nearest one there is, and shows it. */
export function goTo(state: DebuggerState, seq: number): DebuggerState {
  const { length } = shownHistory(state);
  const at = Math.max(Math.min(1, length), Math.min(seq, length));
  const following = state.following && at === length;
  const page = state.page === "whole" ? "whole" : "moment";
  const scroll = at === state.at && page === state.page ? state.scroll : 0;
  return { ...state, at, following, page, scroll };
}

/** Goes on, or back, by events. */
export function step(state: DebuggerState, by: number): DebuggerState {
  const { length } = shownHistory(state);
  const next = goTo(state, state.at + by);
  if (next.at !== state.at) return next;
  return by > 0 ? told(next, `the last event is number ${length}`) : told(next, "this is the first event");
}

/** Goes on, or back, by what the list shows at once. */
export function turnPages(state: DebuggerState, pages: number): DebuggerState {
  const { list } = layoutOf(state);
  return step(state, Math.round(pages * Math.max(2, (list?.rows ?? 10) - 1)));
}

/** To the next error, or the one before. */
export function goToError(state: DebuggerState, direction: Direction): DebuggerState {
  return look(state, direction, isError, "no error");
}

/** Goes to the next moment that fits. @param nothing what to say where there is none, `no error` say */
export function look(
  state: DebuggerState,
  direction: Direction,
  fits: MomentTest,
  nothing: string,
): DebuggerState {
  const sought = seek(shownHistory(state), state.at, direction, fits);
  if (sought.kind !== "nowhere") return arrive(state, sought, nothing);
  return told(state, `${nothing} ${direction === 1 ? "after" : "before"} this event`);
}

/** Goes to where a search came. @param nothing what was not found where it is not finished */
export function arrive(
  state: DebuggerState,
  sought: Exclude<Sought, { kind: "nowhere" }>,
  nothing: string,
): DebuggerState {
  const next = goTo(state, sought.seq);
  switch (sought.kind) {
    case "found":
      return next;
    case "problem":
      return refused(next, `at event ${sought.seq}: ${sought.problem}`);
    case "unfinished":
      return told(next, `${nothing} among ${LOOKED_AT_ONCE} events: the same again looks further`);
  }
}

/** To the next event that mentions what is searched for; from the other end on, where there is none. */
export function goToMatch(state: DebuggerState, direction: Direction): DebuggerState {
  const { search } = state;
  if (search === "") return refused(state, "nothing is searched for: / begins a search");
  const history = shownHistory(state);
  const fits = mentions(search);
  const ahead = seek(history, state.at, direction, fits);
  const isAround = ahead.kind === "nowhere";
  const sought = isAround ? seek(history, direction === 1 ? 0 : history.length + 1, direction, fits) : ahead;
  if (sought.kind === "nowhere") return refused(state, `no event mentions "${search}"`);
  const next = arrive(state, sought, `no "${search}"`);
  if (!isAround || sought.kind !== "found") return next;
  return told(next, `searched on from the ${direction === 1 ? "first" : "last"} event`);
}
