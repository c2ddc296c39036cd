/**
 * Functions of Go's templates, and the functions of Nomad's templates (consul-template) that a local run has.
 * `and` and `or` are in evaluate.ts. Pure.
 */
import { createHash, createHmac } from "node:crypto";
import { parseJsonOrNothing } from "../../../base/json.ts";
import { countOf } from "../../../units/counts.ts";
import { fail } from "../expressions/functions/define.ts";
import { escapeJson } from "../expressions/functions/goFormat.ts";
import { titleCase, trimCutset, trimPrefix, trimSuffix } from "../expressions/functions/goStrings.ts";
import type { Patterns } from "../expressions/functions/patterns.ts";
import { formatTime, printf } from "./formats.ts";
import { serverFunctions } from "./serverFunctions.ts";
import type { ServerValues } from "./serverValues.ts";
import {
  compare,
  type Functions,
  type GoFunction,
  type GoMap,
  type GoValue,
  goText,
  isEqual,
  isList,
  isMap,
  isTrue,
  kindOf,
  numeric,
  ofJson,
  toPlain,
} from "./values.ts";

export interface TemplateFacts {
  /** The task's environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly patterns: Patterns;
  readonly servers: ServerValues;
}

export function templateFunctions({ env, now, patterns, servers }: TemplateFacts): Functions {
  const variable = (name: string) => (Object.hasOwn(env, name) ? env[name] : undefined);
  return {
    ...builtIn,
    ...helpers,
    ...serverFunctions(servers),
    env: one(text, (name) => variable(name) ?? ""),
    envOrDefault: two(text, text, (name, fallback) => variable(name) || fallback),
    mustEnv: one(text, (name) => variable(name) ?? fail(`the task has no variable ${name}`)),
    regexMatch: two(text, text, patterns.matches),
    regexReplaceAll: (values) => {
      const [pattern, replacement, value] = exactly(3, values).map(text) as [string, string, string];
      return patterns.replaceAll(value, pattern, replacement);
    },
    timestamp: (values) => formatTime(now, values[0] === undefined ? "" : text(values[0])),
  };
}

const htmlEscapes: Readonly<Record<string, string>> = {
  "<": "&lt;",
  ">": "&gt;",
  "&": "&amp;",
  "'": "&#39;",
  '"': "&#34;",
  "\0": "\ufffd",
};

/** The functions of text/template. */
const builtIn: Functions = {
  not: one(any, (value) => !isTrue(value)),
  eq: ([first = null, ...others]) =>
    others.length === 0 ? fail("it wants two values or more") : others.some((each) => isEqual(first, each)),
  ne: two(any, any, (a, b) => !isEqual(a, b)),
  lt: two(any, any, (a, b) => compare(a, b) < 0),
  le: two(any, any, (a, b) => compare(a, b) <= 0),
  gt: two(any, any, (a, b) => compare(a, b) > 0),
  ge: two(any, any, (a, b) => compare(a, b) >= 0),
  len: one(any, (value) => {
    if (typeof value === "string") return BigInt(Buffer.byteLength(value));
    if (isMap(value)) return BigInt(value.size);
    return BigInt(list(value).length);
  }),
  index: ([value = null, ...keys]) => keys.reduce(itemOf, value),
  slice: ([value = null, start = 0n, end]) => {
    const of = typeof value === "string" ? value : list(value);
    const [from, to] = [Number(whole(start)), end === undefined ? of.length : Number(whole(end))];
    return from >= 0 && from <= to && to <= of.length
      ? of.slice(from, to)
      : fail("its bounds are out of range");
  },
  print: (values) =>
    values
      .map((value, index) => {
        // A space separates two values if neither is a string.
        const before = values[index - 1];
        const spaced = index > 0 && typeof value !== "string" && typeof before !== "string";
        return (spaced ? " " : "") + goText(value);
      })
      .join(""),
  printf: ([format = null, ...values]) => printf(text(format), values),
  println: (values) => `${values.map(goText).join(" ")}\n`,
  html: all((value) => value.replaceAll(/[<>&'"\0]/g, (character) => htmlEscapes[character] ?? character)),
  js: all((value) =>
    JSON.stringify(value)
      .slice(1, -1)
      .replaceAll("'", "\\'")
      .replaceAll(/[<>&=]/g, (character) => `\\u00${character.charCodeAt(0).toString(16).toUpperCase()}`),
  ),
  urlquery: all((value) =>
    encodeURIComponent(value)
      .replaceAll("%20", "+")
      .replaceAll(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`),
  ),
};

/** Functions of consul-template. The piped value is their last parameter: `5 | subtract 2` is 3. */
const helpers: Functions = {
  add: arithmetic(
    (a, b) => a + b,
    (a, b) => a + b,
  ),
  subtract: arithmetic(
    (a, b) => b - a,
    (a, b) => b - a,
  ),
  multiply: arithmetic(
    (a, b) => a * b,
    (a, b) => a * b,
  ),
  divide: arithmetic(
    (a, b) => b / nonZero(a),
    (a, b) => b / nonZero(a),
  ),
  modulo: two(whole, whole, (a, b) => b % nonZero(a)),
  minimum: two(any, any, (a, b) => (compare(a, b) < 0 ? a : b)),
  maximum: two(any, any, (a, b) => (compare(a, b) > 0 ? a : b)),
  base64Decode: one(text, (value) => decoded(value, "base64")),
  base64Encode: one(text, (value) => Buffer.from(value).toString("base64")),
  base64URLDecode: one(text, (value) => decoded(value, "base64url")),
  base64URLEncode: one(text, (value) =>
    Buffer.from(value).toString("base64").replaceAll("+", "-").replaceAll("/", "_"),
  ),
  hexDecode: one(text, (value) => Buffer.from(value, "hex").toString()),
  hexEncode: one(text, (value) => Buffer.from(value).toString("hex")),
  md5sum: one(text, (value) => createHash("md5").update(value).digest("hex")),
  sha256Hex: one(text, (value) => createHash("sha256").update(value).digest("hex")),
  hmacSHA256Hex: two(text, text, (message, key) => createHmac("sha256", key).update(message).digest("hex")),
  contains: two(any, list, (value, values) => has(values, value)),
  containsAll: two(list, list, (wanted, values) => wanted.every((each) => has(values, each))),
  containsAny: two(list, list, (wanted, values) => wanted.some((each) => has(values, each))),
  containsNone: two(list, list, (wanted, values) => !wanted.some((each) => has(values, each))),
  containsNotAll: two(list, list, (wanted, values) => !wanted.every((each) => has(values, each))),
  in: two(any, any, (values, value) =>
    typeof values === "string" ? values.includes(text(value)) : has(list(values), value),
  ),
  indent: two(whole, text, (spaces, value) => {
    if (spaces < 0n || spaces > 10_000n) fail("its number must be from 0 to 10000");
    return value.replaceAll(/^(?=.)/gm, " ".repeat(Number(spaces)));
  }),
  join: two(text, list, (separator, values) => values.map(text).join(separator)),
  loop,
  mergeMap: two(map, map, (into, from) => new Map([...from, ...into])),
  mergeMapWithOverride: two(map, map, (into, from) => new Map([...into, ...from])),
  parseBool: one(text, (value) => {
    if (/^(?:1|t|T|true|TRUE|True)$/.test(value)) return true;
    return /^(?:0|f|F|false|FALSE|False|)$/.test(value) ? false : fail("its text is neither true nor false");
  }),
  parseFloat: one(text, (value) => {
    if (value === "") return 0;
    return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(value)
      ? Number(value)
      : fail("its text is not a number");
  }),
  parseInt: one(text, wholeIn),
  parseUint: one(text, (value) => {
    const number = wholeIn(value);
    return number < 0n ? fail("its text is a negative number") : number;
  }),
  parseJSON: one(text, (value) => {
    if (value === "") return new Map();
    const parsed = parseJsonOrNothing(value);
    return parsed === undefined ? fail("its text is not JSON") : ofJson(parsed);
  }),
  replaceAll: (values) => {
    const [old, replacement, value] = exactly(3, values).map(text) as [string, string, string];
    return value.split(old).join(replacement);
  },
  split: two(text, text, (separator, value) => {
    const trimmed = value.trim();
    return trimmed === "" ? [] : trimmed.split(separator);
  }),
  toJSON: one(any, (value) => escapeJson(JSON.stringify(toPlain(value)))),
  toJSONPretty: one(any, (value) => escapeJson(JSON.stringify(toPlain(value), null, 2))),
  toUnescapedJSON: one(any, (value) => JSON.stringify(toPlain(value))),
  toUnescapedJSONPretty: one(any, (value) => JSON.stringify(toPlain(value), null, 2)),
  toLower: one(text, (value) => value.toLowerCase()),
  toUpper: one(text, (value) => value.toUpperCase()),
  toTitle: one(text, titleCase),
  trim: two(text, text, (cutset, value) => trimCutset(value, cutset)),
  trimPrefix: two(text, text, (prefix, value) => trimPrefix(value, prefix)),
  trimSpace: one(text, (value) => value.trim()),
  trimSuffix: two(text, text, (suffix, value) => trimSuffix(value, suffix)),
};

type Read<T> = (value: GoValue) => T;

function any(value: GoValue): GoValue {
  return value;
}

function text(value: GoValue): string {
  return typeof value === "string" ? value : fail(`it wants a string, not ${kindOf(value)}`);
}

function whole(value: GoValue): bigint {
  return typeof value === "bigint" ? value : fail(`it wants a whole number, not ${kindOf(value)}`);
}

function list(value: GoValue): readonly GoValue[] {
  if (value === null) return [];
  return isList(value) ? value : fail(`it wants a list, not ${kindOf(value)}`);
}

function map(value: GoValue): GoMap {
  return isMap(value) ? value : fail(`it wants a map, not ${kindOf(value)}`);
}

function exactly(count: number, values: readonly GoValue[]): readonly GoValue[] {
  return values.length === count ? values : fail(`it wants ${countOf(count, "value")}, not ${values.length}`);
}

function one<A>(a: Read<A>, work: (a: A) => GoValue): GoFunction {
  return (values) => work(a(exactly(1, values)[0] as GoValue));
}

function two<A, B>(a: Read<A>, b: Read<B>, work: (a: A, b: B) => GoValue): GoFunction {
  return (values) => {
    const [first, second] = exactly(2, values) as [GoValue, GoValue];
    return work(a(first), b(second));
  };
}

/** A function of all its values, joined into one string. */
function all(work: (value: string) => string): GoFunction {
  return (values) => work(values.map(goText).join(""));
}

function arithmetic(
  ofWhole: (a: bigint, b: bigint) => bigint,
  ofFloats: (a: number, b: number) => number,
): GoFunction {
  return two(any, any, (a, b) => {
    if (typeof a === "bigint" && typeof b === "bigint") return BigInt.asIntN(64, ofWhole(a, b));
    return ofFloats(numeric(a), numeric(b));
  });
}

function nonZero<T extends bigint | number>(value: T): T {
  return value ? value : fail("a division by zero");
}

function has(values: readonly GoValue[], value: GoValue): boolean {
  return values.some((each) => isEqual(each, value));
}

function itemOf(value: GoValue, key: GoValue): GoValue {
  if (isMap(value)) return value.get(text(key)) ?? null;
  const index = Number(whole(key));
  const item = list(value)[index];
  return item === undefined ? fail(`its list has ${list(value).length} items, and no item ${index}`) : item;
}

function wholeIn(value: string): bigint {
  if (value === "") return 0n;
  return /^[+-]?\d+$/.test(value) ? BigInt(value) : fail("its text is not a whole number");
}

/** The numbers from the start (by default 0) up to but excluding the end: `loop 5`, or `loop 2 5`. */
function loop(values: readonly GoValue[]): GoValue {
  const bounds = values.map((value) => (typeof value === "string" ? wholeIn(value) : whole(value)));
  const [start, end] = bounds.length === 1 ? [0n, bounds[0] ?? 0n] : [bounds[0] ?? 0n, bounds[1] ?? 0n];
  if (bounds.length < 1 || bounds.length > 2) fail("it wants an end, or a start and an end");
  if (end - start > 100_000n) fail("it would have more than 100000 numbers");
  return Array.from({ length: Math.max(0, Number(end - start)) }, (_, index) => start + BigInt(index));
}

function decoded(value: string, encoding: "base64" | "base64url"): string {
  const alphabet = encoding === "base64" ? /^[\w+/]*={0,2}$/ : /^[\w-]*={0,2}$/;
  if (!alphabet.test(value)) fail("its text is not base64");
  return Buffer.from(value, encoding).toString();
}
