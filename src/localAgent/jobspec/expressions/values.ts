/** HCL's values as JavaScript values, and HCL's implicit conversions. Pure. */
import { isDeepStrictEqual } from "node:util";
import { TemplateError } from "../templateError.ts";

/** Lists, tuples and sets are arrays. Maps and objects are records. Numbers are doubles. */
export type Value = null | boolean | number | string | readonly Value[] | ValueMap;

export interface ValueMap {
  readonly [key: string]: Value;
}

export function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

export function isMap(value: Value): value is ValueMap {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * The kind of a value, such as `a number`. Errors name the kind, and never the value, which may be a
 * password.
 */
export function kindOf(value: Value | undefined): string {
  if (value === null || value === undefined) return "null";
  if (isList(value)) return "a list";
  if (isMap(value)) return "a map";
  return { string: "a string", number: "a number", boolean: "a bool" }[typeof value as "string"];
}

/** The text of a string, number or bool; undefined for other values. */
export function textOf(value: Value): string | undefined {
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return String(value);
  return typeof value === "number" ? numberText(value) : undefined;
}

/** A number as HCL writes it: without an exponent. */
export function numberText(value: number): string {
  const text = String(value);
  const [, sign = "", whole = "", fraction = "", exponent] = /^(-?)(\d+)\.?(\d*)e([+-]\d+)$/.exec(text) ?? [];
  if (exponent === undefined) return text;
  const digits = whole + fraction;
  const point = whole.length + Number(exponent);
  return sign + (point > 0 ? digits.padEnd(point, "0") : `0.${"0".repeat(-point)}${digits}`);
}

/** A number itself, or the number that a string spells; undefined for other values. */
export function numberOf(value: Value): number | undefined {
  if (typeof value === "number") return value;
  const isNumber = typeof value === "string" && /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(value);
  return isNumber ? Number(value) : undefined;
}

export function boolOf(value: Value): boolean | undefined {
  if (typeof value === "boolean") return value;
  return value === "true" ? true : value === "false" ? false : undefined;
}

/** Values of different types differ: `1` is not `"1"`. */
export function isEqual(a: Value, b: Value): boolean {
  return isDeepStrictEqual(a, b);
}

/** Each value once, in the order of first occurrence. */
export function distinct(values: readonly Value[]): Value[] {
  return values.filter((value, index) => values.findIndex((other) => isEqual(other, value)) === index);
}

/** A map's entries, sorted by key, or a list's items with their indexes. Undefined for other values. */
export function entriesOf(value: Value): readonly (readonly [string | number, Value])[] | undefined {
  if (isList(value)) return [...value.entries()];
  return isMap(value) ? keysOf(value).map((key) => [key, value[key] as Value] as const) : undefined;
}

export function keysOf(value: ValueMap): string[] {
  return Object.keys(value).sort(byText);
}

/** Compares two texts by code points, as Go does. */
export function byText(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** A map, in which even `__proto__` is a key like any other. */
export function mapOf(entries: Iterable<readonly [string, Value]>): ValueMap {
  return Object.fromEntries(entries);
}

/** The item of a list or map. @throws TemplateError */
export function itemOf(of: Value, key: Value, text: string): Value {
  if (isMap(of)) {
    const name = textOf(key);
    if (name !== undefined && Object.hasOwn(of, name)) return of[name] as Value;
    const known = Object.keys(of).slice(0, 10).join(", ") || "none";
    throw new TemplateError(
      `${text} does not exist: there is no ${describe(key)} (there are: ${known})`,
      text,
    );
  }
  if (!isList(of)) throw new TemplateError(`${text} does not exist: ${kindOf(of)} has no items`, text);
  const index = numberOf(key);
  const item = index === undefined ? undefined : of[index];
  if (item !== undefined) return item;
  throw new TemplateError(
    `${text} does not exist: the list has ${of.length} items, and no item ${describe(key)}`,
    text,
  );
}

function describe(key: Value): string {
  return textOf(key) ?? kindOf(key);
}
