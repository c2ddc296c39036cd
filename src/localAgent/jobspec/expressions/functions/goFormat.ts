/**
 * Writes values as Go's packages fmt, encoding/json and time do, as far as functions of job files and
 * templates need this. Pure.
 */
import { isList, keysOf, numberOf, numberText, textOf, type Value } from "../values.ts";
import { fail } from "./define.ts";

const verb = /%(?:(%)|([-+# 0]*)(\d+|\*)?(?:\.(\d+|\*)?)?(?:\[(\d+)\])?([a-zA-Z]))/g;

/** @throws TemplateError for verbs that are unknown or lack their value */
export function goFormat(spec: string, ...values: readonly Value[]): string {
  let next = 0;
  const take = (position?: string): Value => {
    if (position !== undefined) next = Number(position) - 1;
    if (next < 0 || next >= values.length) fail("its format wants more values than are given");
    return values[next++] as Value;
  };
  let used = 0;
  const result = spec.replaceAll(
    verb,
    (whole, percent, flags = "", width = "", precision, position, letter) => {
      if (percent) return "%";
      const columns = Number(width === "*" ? take() : width);
      const digits =
        precision === "*" ? Number(take()) : precision === undefined ? undefined : Number(precision);
      const hasPrecision = whole.includes(".");
      const shown = formatOne(letter, flags, take(position), hasPrecision ? (digits ?? 0) : undefined);
      used = Math.max(used, next);
      return pad(shown, Math.min(columns, 10_000), flags, letter);
    },
  );
  const stray = spec.replaceAll(verb, "").indexOf("%");
  if (stray >= 0) fail("its format has a % without its verb (a percent sign is %%)");
  if (used < values.length) fail(`its format leaves ${values.length - used} of the values unused`);
  return result;
}

function formatOne(letter: string, flags: string, value: Value, precision: number | undefined): string {
  switch (letter) {
    case "v":
      if (flags.includes("#")) return toJson(value);
      return typeof value === "string" ? cut(value, precision) : (textOf(value) ?? toJson(value));
    case "s":
      return cut(textOf(value) ?? fail("%s wants a string"), precision);
    case "q":
      return toJson(textOf(value) ?? fail("%q wants a string"));
    case "t":
      if (typeof value !== "boolean") fail("%t wants true or false");
      return String(value);
    case "x":
    case "X":
      if (typeof value === "string") {
        const hex = Buffer.from(value).toString("hex");
        return letter === "X" ? hex.toUpperCase() : hex;
      }
  }
  const number = numberOf(value) ?? fail(`%${letter} wants a number`);
  const sign =
    number < 0 || Object.is(number, -0) ? "-" : flags.includes("+") ? "+" : flags.includes(" ") ? " " : "";
  return sign + digitsOf(letter, Math.abs(number), flags, precision);
}

function digitsOf(letter: string, number: number, flags: string, precision: number | undefined): string {
  const decimals = Math.min(precision ?? 6, 100);
  switch (letter) {
    case "d":
      return numberText(Math.trunc(number)).padStart(precision ?? 0, "0");
    case "b":
      return Math.trunc(number).toString(2);
    case "o":
      return (flags.includes("#") ? "0" : "") + Math.trunc(number).toString(8);
    case "x":
      return (flags.includes("#") ? "0x" : "") + Math.trunc(number).toString(16);
    case "X":
      return (flags.includes("#") ? "0X" : "") + Math.trunc(number).toString(16).toUpperCase();
    case "f":
    case "F":
      return number < 1e21 ? number.toFixed(decimals) : numberText(number);
    case "e":
    case "E":
      return exponent(number.toExponential(decimals), letter);
    case "g":
    case "G": {
      if (precision === undefined) {
        const isPlain = number === 0 || (number >= 1e-4 && number < 1e21);
        return isPlain ? numberText(number) : exponent(number.toExponential(), letter === "G" ? "E" : "e");
      }
      const short = number.toPrecision(Math.max(1, Math.min(precision, 100)));
      return exponent(short.includes("e") ? short : String(Number(short)), letter === "G" ? "E" : "e");
    }
    default:
      return fail(`there is no verb %${letter}`);
  }
}

/** Go writes at least two digits: `1e+06`. */
function exponent(text: string, letter: string): string {
  return text.replace(/e([+-])(\d+)$/, (_, sign, digits) => `${letter}${sign}${digits.padStart(2, "0")}`);
}

function cut(text: string, precision: number | undefined): string {
  return precision === undefined ? text : [...text].slice(0, precision).join("");
}

function pad(text: string, columns: number, flags: string, letter: string): string {
  const missing = columns - [...text].length;
  if (missing <= 0) return text;
  if (flags.includes("-")) return text + " ".repeat(missing);
  const isNumber = "dboxXfFeEgG".includes(letter) && /^[-+ ]?[\d]/.test(text);
  if (!flags.includes("0") || !isNumber) return " ".repeat(missing) + text;
  const [, sign = "", digits = ""] = /^([-+ ]?)(.*)$/.exec(text) ?? [];
  return sign + "0".repeat(missing) + digits;
}

/** Writes JSON with sorted keys, and with the escapes of {@link escapeJson}. */
export function toJson(value: Value): string {
  if (typeof value === "string") return escapeJson(JSON.stringify(value));
  if (typeof value === "number") return numberText(value);
  if (typeof value !== "object" || value === null) return String(value);
  if (isList(value)) return `[${value.map(toJson).join(",")}]`;
  return `{${keysOf(value)
    .map((key) => `${toJson(key)}:${toJson(value[key] as Value)}`)
    .join(",")}}`;
}

/** Escapes the characters that Go's encoding/json escapes by default, so that JSON can be part of HTML. */
export function escapeJson(json: string): string {
  return json.replaceAll(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** From Sunday on, as `Date` counts. */
export const dayNames = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

export const monthNames = [
  ...["January", "February", "March", "April", "May", "June", "July"],
  ...["August", "September", "October", "November", "December"],
];
