/** Breakpoints of the view. Pure. */
import { type Breakpoint, parseBreakpoint } from "../../replay/breakpoint.ts";
import type { History, Moment } from "../../replay/history.ts";
import { type DebuggerState, refused, shownHistory, told } from "./debuggerState.ts";
import { arrive, goTo } from "./moves.ts";
import { type Direction, LOOKED_AT_ONCE, seek } from "./seek.ts";

/**
 * Sets a breakpoint, and tells at how many events it stops.
 * @throws DriverError `EXPRESSION_INVALID`
 */
export function setBreakpoint(state: DebuggerState, text: string): DebuggerState {
  const breakpoint = parseBreakpoint(text);
  if (state.breakpoints.some((each) => each.text === breakpoint.text)) {
    return refused(state, `${breakpoint.text} is a breakpoint already`);
  }
  const { stops, looked, problem } = countStops(shownHistory(state), breakpoint);
  if (problem !== undefined) return refused(state, problem);
  const breakpoints = [...state.breakpoints, breakpoint];
  const where = `${stops === 0 ? "none" : stops} of ${looked === LOOKED_AT_ONCE ? "the first " : ""}${looked} events`;
  return told(
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
  return told({ ...state, breakpoints, selected }, `removed: ${removed.text}`);
}

/** Goes to where the next breakpoint stops, or else to the end on that side. */
export function continueTo(state: DebuggerState, direction: Direction): DebuggerState {
  if (state.breakpoints.length === 0) return refused(state, "there is no breakpoint: b sets one");
  const { length } = shownHistory(state);
  const next = continueFrom(state, state.at, direction);
  if (next !== undefined) return next;
  const isForward = direction === 1;
  return told(
    goTo(state, isForward ? length : 1),
    `no stop before the ${isForward ? "last" : "first"} event`,
  );
}

/** Where the next breakpoint beyond an event stops; undefined where none does. */
export function continueFrom(
  state: DebuggerState,
  from: number,
  direction: Direction,
): DebuggerState | undefined {
  const history = shownHistory(state);
  const sought = seek(history, from, direction, (moment) => stopsAt(state.breakpoints, moment).length > 0);
  if (sought.kind === "nowhere") return undefined;
  const next = arrive(state, sought, "no stop");
  return sought.kind === "found" ? stoppedAt(next, history.at(sought.seq)) : next;
}

/** Tells of the breakpoints that stop here. */
function stoppedAt(state: DebuggerState, moment: Moment): DebuggerState {
  const stops = stopsAt(state.breakpoints, moment);
  const numbers = stops.map((each) => state.breakpoints.indexOf(each) + 1).join(" and ");
  const texts = stops.map(({ text }) => text).join(", ");
  return told(state, `breakpoint ${numbers} at event ${moment.seq}: ${texts}`);
}

/** Breakpoints that stop at a moment. @throws DriverError `EXPRESSION_INVALID` where one has no answer */
export function stopsAt(breakpoints: readonly Breakpoint[], moment: Moment): Breakpoint[] {
  return breakpoints.filter((each) => each.stopsAt(moment));
}

/** At how many events it stops, of as many as are looked at; or at which it has no answer. */
export function countStops(history: History, breakpoint: Breakpoint): Count {
  const known = counts.get(breakpoint);
  if (known?.history === history) return known.count;
  const count = countAnew(history, breakpoint);
  counts.set(breakpoint, { history, count });
  return count;
}

interface Count {
  readonly stops: number;
  readonly looked: number;
  readonly problem: string | undefined;
}

/** Of the history that was looked at last. */
const counts = new WeakMap<Breakpoint, { readonly history: History; readonly count: Count }>();

function countAnew(history: History, { stopsAt: fits }: Breakpoint): Count {
  let stops = 0;
  const sought = seek(history, 0, 1, (moment) => {
    if (fits(moment)) stops += 1;
    return false;
  });
  const problem = sought.kind === "problem" ? `at event ${sought.seq}: ${sought.problem}` : undefined;
  return { stops, looked: Math.min(history.length, LOOKED_AT_ONCE), problem };
}
