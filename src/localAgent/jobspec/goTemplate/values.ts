/** The values of Go's templates: whole numbers are bigints, floats are numbers. Pure. */
import { fail } from "../expressions/functions/define.ts";
import { byText } from "../expressions/values.ts";

export type GoValue = null | boolean | bigint | number | string | readonly GoValue[] | GoMap;

/** A function of templates. @throws TemplateError without the function's name, which the caller adds */
export type GoFunction = (values: readonly GoValue[]) => GoValue;

export type Functions = Readonly<Record<string, GoFunction>>;

export type GoMap = ReadonlyMap<string, GoValue>;

export function isList(value: GoValue): value is readonly GoValue[] {
  return Array.isArray(value);
}

export function isMap(value: GoValue): value is GoMap {
  return value instanceof Map;
}

/** Whether a value counts as true. Only false, 0, nil, and empty texts, lists and maps count as false. */
export function isTrue(value: GoValue): boolean {
  if (isList(value)) return value.length > 0;
  return isMap(value) ? value.size > 0 : Boolean(value);
}

/** The kind of a value. Errors name the kind, and never the value, which may be a password. */
export function kindOf(value: GoValue): string {
  if (value === null) return "nil";
  if (isList(value)) return "a list";
  if (isMap(value)) return "a map";
  return { string: "a string", number: "a float", bigint: "a whole number", boolean: "a bool" }[
    typeof value as "string"
  ];
}

/** A value as Go's templates print it. */
export function goText(value: GoValue): string {
  if (value === null) return "<no value>";
  if (typeof value === "number") return floatText(value);
  if (isList(value)) return `[${value.map(goText).join(" ")}]`;
  if (!isMap(value)) return String(value);
  return `map[${sortedKeys(value)
    .map((key) => `${key}:${goText(value.get(key) ?? null)}`)
    .join(" ")}]`;
}

export function sortedKeys(map: GoMap): string[] {
  return [...map.keys()].sort(byText);
}

/**
 * The shortest digits, as strconv's format 'g' writes them: with an exponent from 1e+06 on and below 1e-04.
 */
function floatText(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
  const [, digits = "", exponent = "0"] = /^(.*)e([+-]\d+)$/.exec(value.toExponential()) ?? [];
  const power = Number(exponent);
  if (power >= -4 && power < 6) return String(value);
  return `${digits}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
}

export function ofJson(value: unknown): GoValue {
  if (Array.isArray(value)) return value.map(ofJson);
  if (typeof value !== "object" || value === null) return value as GoValue;
  return new Map(Object.entries(value).map(([key, item]) => [key, ofJson(item)]));
}

/** A value for JSON: without maps and bigints, and with sorted keys. */
export function toPlain(value: GoValue): unknown {
  if (typeof value === "bigint") return Number(value);
  if (isList(value)) return value.map(toPlain);
  if (!isMap(value)) return value;
  return Object.fromEntries(sortedKeys(value).map((key) => [key, toPlain(value.get(key) ?? null)]));
}

/** Whether two values are equal. A whole number may equal a float. */
export function isEqual(a: GoValue, b: GoValue): boolean {
  if (isList(a) && isList(b))
    return a.length === b.length && a.every((item, index) => isEqual(item, b[index] ?? null));
  if (isMap(a) && isMap(b)) {
    return (
      a.size === b.size &&
      sortedKeys(a).every((key) => b.has(key) && isEqual(a.get(key) ?? null, b.get(key) ?? null))
    );
  }
  if (typeof a === "bigint" && typeof b === "number") return Number(a) === b;
  if (typeof a === "number" && typeof b === "bigint") return a === Number(b);
  return a === b;
}

/** Compares two numbers or two strings. */
export function compare(a: GoValue, b: GoValue): number {
  if (typeof a === "string" && typeof b === "string") return byText(a, b);
  if (typeof a === "bigint" && typeof b === "bigint") return a < b ? -1 : a > b ? 1 : 0;
  return numeric(a) - numeric(b);
}

/** @throws TemplateError for a value that is not a number */
export function numeric(value: GoValue): number {
  if (typeof value === "bigint" || typeof value === "number") return Number(value);
  return fail(`it wants a number, not ${kindOf(value)}`);
}
