/** Going from moment to moment. Pure. */
import { enters, isError, isOfType, type MomentTest, mentions } from "../../replay/search.ts";
import { type DebuggerState, refused, shownHistory, told } from "./debuggerState.ts";
import { layoutOf } from "./layout.ts";
import { type Direction, LOOKED_AT_ONCE, seek } from "./seek.ts";

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

/** @param name of a state that the task comes into */
export function goToState(state: DebuggerState, name: string, direction: Direction = 1): DebuggerState {
  return look(state, direction, enters(name), `no ${name}`);
}

export function goToType(state: DebuggerState, name: string, direction: Direction = 1): DebuggerState {
  return look(state, direction, isOfType(name), `no ${name}`);
}

/** Goes to the next moment that fits. @param nothing what to say where there is none, `no error` say */
export function look(
  state: DebuggerState,
  direction: Direction,
  fits: MomentTest,
  nothing: string,
): DebuggerState {
  const sought = seek(shownHistory(state), state.at, direction, fits);
  switch (sought.kind) {
    case "found":
      return goTo(state, sought.seq);
    case "problem":
      return refused(goTo(state, sought.seq), `at event ${sought.seq}: ${sought.problem}`);
    case "unfinished":
      return told(goTo(state, sought.seq), unfinished(nothing));
    case "nowhere":
      return told(state, `${nothing} ${direction === 1 ? "after" : "before"} this event`);
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
  const next = goTo(state, sought.seq);
  if (sought.kind !== "found") return told(next, unfinished(`no "${search}"`));
  return isAround ? told(next, `searched on from the ${direction === 1 ? "first" : "last"} event`) : next;
}

function unfinished(nothing: string): string {
  return `${nothing} among ${LOOKED_AT_ONCE} events: the same again looks further`;
}
