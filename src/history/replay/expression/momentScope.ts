/** Evaluates expressions at a moment of a history. Pure. */
import { isDeepStrictEqual } from "node:util";
import { DriverError } from "../../../base/errors.ts";
import type { MachineState } from "../../../machines/machineVersion.ts";
import { initialContext } from "../../../machines/taskContext.ts";
import type { Moment } from "../history.ts";
import { isError, type MomentTest } from "../search.ts";
import { parseExpression } from "./parseExpression.ts";
import { type Comparison, type Expression, type Path, pathText } from "./syntax.ts";

/** The names of an event's values in expressions, each with its meaning for the help page. */
export const namesOfMoment = {
  state: "state after the event",
  from: "state before the event",
  type: "type of the event",
  seq: "number of the event",
  time: "time of the event, in milliseconds since the epoch",
  since: "time since the previous event, such as 250ms",
  data: "the event's data, such as data.reason",
  effects: "names of the effects that the machine requested",
  error: "whether something went wrong",
  refused: "whether the machine refused the event",
  before: "the context before the event, such as before.signals, and before.state",
} as const;

const contextNames: ReadonlySet<string> = new Set(["state", ...Object.keys(initialContext)]);
const known: ReadonlySet<string> = new Set([...Object.keys(namesOfMoment), ...contextNames]);

/**
 * Makes a test for moments from an expression. An expression over the machine's context alone matches only
 * where it becomes true, since the context rarely changes. An expression that uses a name of the event
 * matches every event at which it is true.
 *
 * The test throws a DriverError `EXPRESSION_INVALID` where evaluation fails.
 * @throws DriverError `EXPRESSION_INVALID` if the text is not an expression
 */
export function expressionTest(text: string): MomentTest {
  const expression = parseExpression(text, known, contextNames);
  const isOfContext = pathsOf(expression).every(({ names: [first = ""] }) => contextNames.has(first));
  return (moment) => {
    const scope = scopeOf(moment);
    if (!evaluate(expression, scope)) return false;
    return !isOfContext || !evaluate(expression, { now: scope.before, before: scope.before });
  };
}

/** The value of an expression at a moment. @throws DriverError `EXPRESSION_INVALID` */
export function valueAtMoment(text: string, moment: Moment): unknown {
  return evaluate(parseExpression(text, known, contextNames), scopeOf(moment));
}

/** All paths in an expression. `changed` depends on the event, so it counts as a path of the event. */
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

/** The machine's context and state. A context of another version may have further fields. */
function contextOf({ value, context }: MachineState): Readonly<Record<string, unknown>> {
  return { ...context, state: value };
}

/** The values of names, at a moment and before it. */
interface Scope {
  readonly now: Readonly<Record<string, unknown>>;
  readonly before: Readonly<Record<string, unknown>>;
}

/**
 * Missing values are null. Where a condition is expected, null, false, 0 and the empty
 * text count as false.
 * @throws DriverError `EXPRESSION_INVALID` for values without an order, and for `contains` on a value
 *   that is neither text nor list
 */
function evaluate(expression: Expression, scope: Scope): unknown {
  switch (expression.kind) {
    case "literal":
      return expression.value;
    case "path":
      return valueAt(expression, scope.now);
    case "changed":
      return !isDeepStrictEqual(valueAt(expression.of, scope.now), valueAt(expression.of, scope.before));
    case "not":
      return !evaluate(expression.of, scope);
    case "and":
      return Boolean(evaluate(expression.left, scope)) && Boolean(evaluate(expression.right, scope));
    case "or":
      return Boolean(evaluate(expression.left, scope)) || Boolean(evaluate(expression.right, scope));
    case "comparison":
      return compare(expression, evaluate(expression.left, scope), evaluate(expression.right, scope));
  }
}

/** Reads own properties only, and the length of texts and lists. */
function valueAt({ names }: Path, values: unknown): unknown {
  let value = values;
  for (const name of names) {
    if (name === "length" && (typeof value === "string" || Array.isArray(value))) value = value.length;
    else if (typeof value === "object" && value !== null && Object.hasOwn(value, name)) {
      value = (value as Readonly<Record<string, unknown>>)[name];
    } else return null;
  }
  return value ?? null;
}

function compare({ operator, left, right }: Comparison, a: unknown, b: unknown): boolean {
  switch (operator) {
    case "==":
      return isComparable(left, right, a, b) && isDeepStrictEqual(a, b);
    case "!=":
      return isComparable(left, right, a, b) && !isDeepStrictEqual(a, b);
    case "contains":
      return contains(left, a, b);
    default: {
      // A comparison with a missing value is false. Early in a history, most values are missing.
      if (a === null || b === null) return false;
      const order = orderOf(a, b);
      if (order === undefined) {
        throw noMeaning(`${describe(left, a)} and ${describe(right, b)} cannot be ordered`);
      }
      return { "<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0 }[operator];
    }
  }
}

/**
 * Whether `==` and `!=` have a meaning. If a value is missing, both comparisons are false, unless the
 * expression compares with `null` itself.
 */
function isComparable(left: Expression, right: Expression, a: unknown, b: unknown): boolean {
  return (a !== null && b !== null) || isNull(left) || isNull(right);
}

function isNull(expression: Expression): boolean {
  return expression.kind === "literal" && expression.value === null;
}

function contains(left: Expression, a: unknown, b: unknown): boolean {
  if (a === null) return false;
  if (Array.isArray(a)) return a.some((each) => isDeepStrictEqual(each, b));
  if (typeof a !== "string")
    throw noMeaning(`${describe(left, a)} contains nothing: it is neither text nor a list`);
  return typeof b === "string" && a.includes(b);
}

function orderOf(a: unknown, b: unknown): number | undefined {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a === "string" && typeof b === "string") return a < b ? -1 : Number(a > b);
  return undefined;
}

function describe(expression: Expression, value: unknown): string {
  const text = JSON.stringify(value);
  const shown = text.length > 40 ? `${text.slice(0, 39)}…` : text;
  return expression.kind === "path" ? `${pathText(expression)} (${shown})` : shown;
}

function noMeaning(problem: string): DriverError {
  return new DriverError("EXPRESSION_INVALID", problem);
}
