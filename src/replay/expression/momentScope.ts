/** The names that expressions can use, and their values at a moment. Pure. */

import type { MachineState } from "../../machines/machineVersion.ts";
import { initialContext } from "../../machines/taskContext.ts";
import type { Moment } from "../history.ts";
import { isError, type MomentTest } from "../search.ts";
import { evaluate, type Scope } from "./evaluate.ts";
import { parseExpression } from "./parseExpression.ts";
import type { Expression, Path } from "./syntax.ts";

/** The event's names, each with its meaning for the help page. */
export const namesOfMoment = {
  state: "state after the event",
  from: "state before it",
  type: "type of the event",
  seq: "its number",
  time: "when it happened: milliseconds since the epoch",
  since: "time since the event before, such as 250ms",
  data: "the event's data, such as data.reason",
  effects: "names of the effects that the machine requested",
  error: "whether something went wrong",
  refused: "whether the machine refused the event",
  before: "the context before the event, such as before.signals, and before.state",
} as const;

const ofContext: ReadonlySet<string> = new Set(["state", ...Object.keys(initialContext)]);
const known: ReadonlySet<string> = new Set([...Object.keys(namesOfMoment), ...ofContext]);

/**
 * Makes a test for moments from an expression. An expression over the machine's context alone matches only
 * where it becomes true, since the context rarely changes. One that uses a name of the event matches every
 * event at which it is true.
 *
 * The test throws a DriverError `EXPRESSION_INVALID` where evaluation fails.
 * @throws DriverError `EXPRESSION_INVALID` if the text is not an expression
 */
export function expressionTest(text: string): MomentTest {
  const expression = parseExpression(text, known, ofContext);
  const isOfContext = pathsOf(expression).every(({ names: [first = ""] }) => ofContext.has(first));
  return (moment) => {
    const scope = scopeOf(moment);
    if (!evaluate(expression, scope)) return false;
    return !isOfContext || !evaluate(expression, { now: scope.before, before: scope.before });
  };
}

/** The value of an expression at a moment. @throws DriverError `EXPRESSION_INVALID` */
export function valueAtMoment(text: string, moment: Moment): unknown {
  return evaluate(parseExpression(text, known, ofContext), scopeOf(moment));
}

/** All paths in an expression. `changed` depends on the event, so it counts as a path of it. */
function pathsOf(expression: Expression): Path[] {
  switch (expression.kind) {
    case "literal":
      return [];
    case "path":
      return [expression];
    case "changed":
      return [{ kind: "path", names: ["before"] }];
    case "not":
      return pathsOf(expression.of);
    default:
      return [...pathsOf(expression.left), ...pathsOf(expression.right)];
  }
}

function scopeOf(moment: Moment): Scope {
  const { seq, stored, sinceBefore, effects, accepted } = moment;
  const { type, time, data } = stored;
  const before = contextOf(moment.before);
  const event: Record<keyof typeof namesOfMoment, unknown> = {
    ...{ seq, type, time, data, effects, before },
    state: moment.after.value,
    from: moment.before.value,
    since: sinceBefore ?? null,
    error: isError(moment),
    refused: !accepted,
  };
  return { now: { ...moment.after.context, ...event }, before };
}

/** The machine's context and state. Those of another version may hold more. */
function contextOf({ value, context }: MachineState): Readonly<Record<string, unknown>> {
  return { ...context, state: value };
}
