/** The value of an expression at a moment. Pure. */
import { isDeepStrictEqual } from "node:util";
import { DriverError } from "../../errors.ts";
import { type Comparison, type Expression, type Path, pathText } from "./syntax.ts";

/** What names mean, at a moment and before it. */
export interface Scope {
  readonly now: Readonly<Record<string, unknown>>;
  readonly before: Readonly<Record<string, unknown>>;
}

/**
 * What is not there is null.
 * @throws DriverError `EXPRESSION_INVALID` where values are compared that have no order, or contain nothing
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
      return !isTrue(evaluate(expression.of, scope));
    case "and":
      return isTrue(evaluate(expression.left, scope)) && isTrue(evaluate(expression.right, scope));
    case "or":
      return isTrue(evaluate(expression.left, scope)) || isTrue(evaluate(expression.right, scope));
    case "comparison":
      return compare(expression, evaluate(expression.left, scope), evaluate(expression.right, scope));
  }
}

/** Null, false, 0 and empty text are not. */
export function isTrue(value: unknown): boolean {
  return Boolean(value);
}

/** Only what the data themselves have, and the length of texts and lists. */
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
      return isDeepStrictEqual(a, b);
    case "!=":
      return !isDeepStrictEqual(a, b);
    case "contains":
      return contains(left, a, b);
    default: {
      // Most of what is remembered is not there yet at first.
      if (a === null || b === null) return false;
      const order = orderOf(a, b);
      if (order === undefined) {
        throw noMeaning(`${told(left, a)} and ${told(right, b)} have no order`);
      }
      return { "<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0 }[operator];
    }
  }
}

function contains(left: Expression, a: unknown, b: unknown): boolean {
  if (a === null) return false;
  if (Array.isArray(a)) return a.some((each) => isDeepStrictEqual(each, b));
  if (typeof a !== "string")
    throw noMeaning(`${told(left, a)} contains nothing: it is neither text nor a list`);
  return typeof b === "string" && a.includes(b);
}

function orderOf(a: unknown, b: unknown): number | undefined {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a === "string" && typeof b === "string") return a < b ? -1 : Number(a > b);
  return undefined;
}

function told(expression: Expression, value: unknown): string {
  const text = JSON.stringify(value);
  const shown = text.length > 40 ? `${text.slice(0, 39)}…` : text;
  return expression.kind === "path" ? `${pathText(expression)} (${shown})` : shown;
}

function noMeaning(problem: string): DriverError {
  return new DriverError("EXPRESSION_INVALID", problem);
}
