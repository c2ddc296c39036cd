/** Breakpoints in a history. Pure. */
import { DriverError } from "../../base/errors.ts";
import { suggestion } from "../../base/suggest.ts";
import { eventTypes } from "../../machines/events.ts";
import { taskStates } from "../../machines/taskMachine.ts";
import { expressionTest } from "./expression/momentScope.ts";
import type { Moment } from "./history.ts";
import { enters, isOfType, type MomentTest } from "./search.ts";

export interface Breakpoint {
  /** The breakpoint as it was typed. */
  readonly text: string;
  /** Whether to stop at a moment. Throws a DriverError `EXPRESSION_INVALID` if the expression fails there. */
  readonly stopsAt: MomentTest;
}

export const stateNames: readonly string[] = Object.keys(taskStates);

/**
 * Parses a breakpoint: `state:NAME` stops where the task enters a state, `type:NAME`
 * at events of a type. Anything else is an expression over the moment.
 * @throws DriverError `EXPRESSION_INVALID`
 */
export function parseBreakpoint(written: string): Breakpoint {
  const text = written.trim();
  const [, kind, name = ""] = /^(state|type):\s*(.*)$/s.exec(text) ?? [];
  if (kind === "state") return { text, stopsAt: enters(knownName(name, "state")) };
  if (kind === "type") return { text, stopsAt: isOfType(knownName(name, "type")) };
  return { text, stopsAt: expressionTest(text) };
}

/**
 * The moments at which a breakpoint stops.
 * @throws DriverError `EXPRESSION_INVALID`, with the event, if an expression fails there
 */
export function* stopsAmong(
  moments: Iterable<Moment>,
  breakpoints: readonly Breakpoint[],
): Generator<Moment, void> {
  for (const moment of moments) {
    let stops: boolean;
    try {
      stops = breakpoints.some(({ stopsAt }) => stopsAt(moment));
    } catch (thrown) {
      const error = DriverError.from(thrown, "EXPRESSION_INVALID", "it has no answer");
      throw error.within(`at event ${moment.seq}`);
    }
    if (stops) yield moment;
  }
}

const kinds = {
  state: { what: "state", names: stateNames },
  type: { what: "type of event", names: eventTypes },
} as const;

/**
 * Checks a name. If it is a name of the other kind, as in `state:requested`, the error suggests that kind.
 */
function knownName(name: string, kind: keyof typeof kinds): string {
  const { what, names } = kinds[kind];
  if (names.some((each) => each === name)) return name;
  const other = kind === "state" ? "type" : "state";
  const isOther = kinds[other].names.some((each) => each === name);
  throw new DriverError("EXPRESSION_INVALID", `there is no ${what} ${JSON.stringify(name)}`, {
    hint: isOther ? `Did you mean ${other}:${name}?` : suggestion(name, names),
  });
}
