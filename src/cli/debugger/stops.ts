/** Breakpoints of the debugger. Pure. */
import { type Breakpoint, parseBreakpoint } from "../../history/replay/breakpoint.ts";
import type { History, Moment } from "../../history/replay/history.ts";
import { type DebuggerState, notified, refused, shownHistory } from "./debuggerState.ts";
import { arrive, type Direction, goTo, SEARCH_LIMIT, seek } from "./moves.ts";

/**
 * Sets a breakpoint, and shows at how many events it stops.
 * @throws DriverError `EXPRESSION_INVALID`
 */
export function setBreakpoint(state: DebuggerState, text: string): DebuggerState {
  const breakpoint = parseBreakpoint(text);
  if (state.breakpoints.some((each) => each.text === breakpoint.text)) {
    return refused(state, `${breakpoint.text} is a breakpoint already`);
  }
  const { stops, tested, problem } = countStops(shownHistory(state), breakpoint);
  if (problem !== undefined) return refused(state, problem);
  const breakpoints = [...state.breakpoints, breakpoint];
  const where = `${stops === 0 ? "none" : stops} of ${tested === SEARCH_LIMIT ? "the first " : ""}${tested} events`;
  return notified(
    { ...state, breakpoints },
    `breakpoint ${breakpoints.length} stops at ${where}: ${breakpoint.text}`,
  );
}

/** @param index of the breakpoint */
export function removeBreakpoint(state: DebuggerState, index: number): DebuggerState {
  const removed = state.breakpoints[index];
  if (removed === undefined) return refused(state, `there is no breakpoint ${index + 1}`);
  const breakpoints = state.breakpoints.filter((each) => each !== removed);
  const selected = Math.max(0, Math.min(state.selected, breakpoints.length - 1));
  return notified({ ...state, breakpoints, selected }, `removed: ${removed.text}`);
}

/** Goes to the next stop of a breakpoint, or else to the last event in that direction. */
export function continueTo(state: DebuggerState, direction: Direction): DebuggerState {
  if (state.breakpoints.length === 0) return refused(state, "there is no breakpoint: b sets one");
  const { length } = shownHistory(state);
  const next = continueFrom(state, state.at, direction);
  if (next !== undefined) return next;
  const isForward = direction === 1;
  return notified(
    goTo(state, isForward ? length : 1),
    `no stop before the ${isForward ? "last" : "first"} event`,
  );
}

/** Goes to the next stop beyond an event; undefined if there is none. */
export function continueFrom(
  state: DebuggerState,
  from: number,
  direction: Direction,
): DebuggerState | undefined {
  const history = shownHistory(state);
  const result = seek(history, from, direction, (moment) => stopsAt(state.breakpoints, moment).length > 0);
  if (result.kind === "nowhere") return undefined;
  const next = arrive(state, result, "no stop");
  return result.kind === "found" ? stoppedAt(next, history.at(result.seq)) : next;
}

/** Shows which breakpoints stop here. */
function stoppedAt(state: DebuggerState, moment: Moment): DebuggerState {
  const stops = stopsAt(state.breakpoints, moment);
  const numbers = stops.map((each) => state.breakpoints.indexOf(each) + 1).join(" and ");
  const texts = stops.map(({ text }) => text).join(", ");
  return notified(state, `breakpoint ${numbers} at event ${moment.seq}: ${texts}`);
}

/** The breakpoints that stop at a moment. @throws DriverError `EXPRESSION_INVALID` if one fails there */
export function stopsAt(breakpoints: readonly Breakpoint[], moment: Moment): Breakpoint[] {
  return breakpoints.filter((each) => each.stopsAt(moment));
}

/** Counts the events at which a breakpoint stops, up to the search limit, or reports where it fails. */
export function countStops(history: History, breakpoint: Breakpoint): Count {
  const known = counts.get(breakpoint);
  if (known?.history === history) return known.count;
  const count = searchStops(history, breakpoint);
  counts.set(breakpoint, { history, count });
  return count;
}

interface Count {
  readonly stops: number;
  readonly tested: number;
  readonly problem: string | undefined;
}

/** For each breakpoint, its count and the history in which it was counted. */
const counts = new WeakMap<Breakpoint, { readonly history: History; readonly count: Count }>();

function searchStops(history: History, { stopsAt: fits }: Breakpoint): Count {
  let stops = 0;
  const result = seek(history, 0, 1, (moment) => {
    if (fits(moment)) stops += 1;
    return false;
  });
  const problem = result.kind === "problem" ? `at event ${result.seq}: ${result.problem}` : undefined;
  return { stops, tested: Math.min(history.length, SEARCH_LIMIT), problem };
}
