/** Evaluates an expression at a moment. Pure. */
import { isDeepStrictEqual } from "node:util";
import { DriverError } from "../../errors.ts";
import { type Comparison, type Expression, type Path, pathText } from "./syntax.ts";

/** The values of names, at a moment and before it. */
export interface Scope {
  readonly now: Readonly<Record<string, unknown>>;
  readonly before: Readonly<Record<string, unknown>>;
}

/**
 * Missing values are null. Where a condition is expected, null, false, 0 and the empty
 * text count as false.
 * @throws DriverError `EXPRESSION_INVALID` for values without an order, and for `contains` on a value
 *   that is neither text nor list
 */
export function evaluate(expression: Expression, scope: Scope): unknown {
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
      // At the beginning of a history most values are missing.
      if (a === null || b === null) return false;
      const order = orderOf(a, b);
      if (order === undefined) {
        throw noMeaning(`${describe(left, a)} and ${describe(right, b)} have no order`);
      }
      return { "<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0 }[operator];
    }
  }
}

/** A missing value neither equals nor differs from any other, unless the expression itself says `null`. */
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
