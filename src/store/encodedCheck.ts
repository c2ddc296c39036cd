/**
 * Checks data against a schema in their stored form, without decoding them. For a check of a whole log, which
 * needs nothing else of most data, decoding and parsing would take longer than all the rest.
 *
 * A check is sure of data that it accepts: they can be decoded, and the schema accepts them. It may refuse data
 * that the schema accepts, such as numbers that MessagePack's other writers encode differently. Pure.
 */
import type { z } from "zod";
import { type DecodedPart, textBegin, textEnd } from "./plainData.ts";

/** @returns whether the bytes are certainly exactly one value that the schema accepts */
export type EncodedCheck = (bytes: Buffer, part: DecodedPart) => boolean;

/** Where the value that begins at `at` ends; {@link NO} if it is not certainly one that is accepted. */
type ValueCheck = (bytes: Buffer, at: number, end: number) => number;

const NO = -1;
/** Fields that a schema may have, because the fields that were seen are bits of a number. */
const MOST_FIELDS = 32;

/** @param schema of any kind; data of kinds that this module does not know are never accepted */
export function encodedCheck(schema: z.ZodType): EncodedCheck {
  const check = inner(schema);
  return (bytes, { start, end }) => {
    try {
      return check(bytes, start, end) === end;
    } catch {
      // Numbers may point beyond the bytes, and values may be nested too deeply.
      return false;
    }
  };
}

function checkOf(schema: z.core.$ZodTypes): ValueCheck {
  const { def } = schema._zod;
  // Further conditions, such as a minimum, are zod's own.
  if ((def.checks?.length ?? 0) > 0 || "format" in def) return def.type === "number" ? small(schema) : never;
  if ("coerce" in def) return never;
  switch (def.type) {
    case "string":
      return text;
    case "number":
      return finite;
    case "boolean":
      return boolean;
    case "null":
      return nil;
    case "literal":
      return small(schema);
    case "enum":
      return oneOf(new Set(Object.values(def.entries)));
    case "nullable":
      return nullable(inner(def.innerType));
    case "optional":
    case "readonly":
      return inner(def.innerType);
    case "array":
      return list(inner(def.element));
    case "record":
      return isText(def.keyType) ? map([], inner(def.valueType)) : never;
    case "union":
      return anyOf(def.options.map(inner));
    case "lazy":
      return later(() => inner(def.getter()));
    case "object":
      return objectOf(def);
    default:
      return never;
  }
}

function inner(schema: z.core.$ZodType): ValueCheck {
  return checkOf(schema as z.core.$ZodTypes);
}

const never: ValueCheck = () => NO;

const text: ValueCheck = (bytes, at) => {
  const begin = textBegin(bytes, at);
  return begin < 0 ? NO : textEnd(bytes, at, begin);
};

const nil: ValueCheck = (bytes, at) => (bytes[at] === head.nil ? at + 1 : NO);

const boolean: ValueCheck = (bytes, at) =>
  bytes[at] === head.false || bytes[at] === head.true ? at + 1 : NO;

/** A number that is neither infinite nor NaN. */
const finite: ValueCheck = (bytes, at) => {
  const first = bytes[at] as number;
  if (first < 0x80 || first >= 0xe0) return at + 1;
  switch (first) {
    case head.uint8:
    case head.int8:
      return at + 2;
    case head.uint16:
    case head.int16:
      return at + 3;
    case head.uint32:
    case head.int32:
      return at + 5;
    case head.double:
      return Number.isFinite(bytes.readDoubleBE(at + 1)) ? at + 9 : NO;
    default:
      return NO;
  }
};

/** A small integer that zod accepts. */
function small(schema: z.core.$ZodType): ValueCheck {
  const accepted = Array.from({ length: 0x80 }, (_, value) => (schema as z.ZodType).safeParse(value).success);
  return (bytes, at) => (accepted[bytes[at] as number] === true ? at + 1 : NO);
}

function oneOf(entries: ReadonlySet<unknown>): ValueCheck {
  const names = [...entries].filter((entry) => typeof entry === "string").map((name) => Buffer.from(name));
  return (bytes, at) => {
    const begin = textBegin(bytes, at);
    if (begin < 0) return NO;
    const end = textEnd(bytes, at, begin);
    return names.some((name) => isAt(bytes, begin, end, name)) ? end : NO;
  };
}

function nullable(check: ValueCheck): ValueCheck {
  return (bytes, at, end) => (bytes[at] === head.nil ? at + 1 : check(bytes, at, end));
}

function anyOf(checks: readonly ValueCheck[]): ValueCheck {
  return (bytes, at, end) => {
    for (const check of checks) {
      const after = check(bytes, at, end);
      if (after !== NO) return after;
    }
    return NO;
  };
}

/** A check that is made when it is first needed, because it may contain itself. */
function later(make: () => ValueCheck): ValueCheck {
  let made: ValueCheck | undefined;
  return (bytes, at, end) => {
    made ??= make();
    return made(bytes, at, end);
  };
}

function list(item: ValueCheck): ValueCheck {
  return (bytes, at, end) => {
    const begin = itemsBegin(bytes, at);
    if (begin < 0) return NO;
    let next = begin;
    for (let left = countOf(bytes, at, begin); left > 0; left--) {
      if (next >= end) return NO;
      next = item(bytes, next, end);
      if (next < 0) return NO;
    }
    return next;
  };
}

interface Field {
  readonly name: Buffer;
  readonly check: ValueCheck;
  readonly isRequired: boolean;
}

function objectOf({ shape, catchall }: z.core.$ZodObjectDef): ValueCheck {
  const fields = Object.entries(shape).map(([name, schema]) => ({
    name: Buffer.from(name),
    check: inner(schema),
    isRequired: schema._zod.optin !== "optional",
  }));
  return fields.length > MOST_FIELDS ? never : map(fields, catchall === undefined ? plain : inner(catchall));
}

/** @param other check of the values of all other keys */
function map(fields: readonly Field[], other: ValueCheck): ValueCheck {
  const required = fields.reduce((sum, { isRequired }, index) => (isRequired ? sum | (1 << index) : sum), 0);
  return (bytes, at, end) => {
    const begin = pairsBegin(bytes, at);
    if (begin < 0) return NO;
    let next = begin;
    let [seen, expected] = [0, 0];
    for (let left = countOf(bytes, at, begin); left > 0; left--) {
      const nameBegin = textBegin(bytes, next);
      if (nameBegin < 0) return NO;
      const nameEnd = textEnd(bytes, next, nameBegin);
      if (nameEnd >= end) return NO;
      const found = fieldAt(fields, expected, bytes, nameBegin, nameEnd);
      if (found < 0) {
        next = other(bytes, nameEnd, end);
      } else {
        // Of two values of the same key, the decoder would return only the second.
        if ((seen & (1 << found)) !== 0) return NO;
        seen |= 1 << found;
        expected = found + 1;
        next = (fields[found] as Field).check(bytes, nameEnd, end);
      }
      if (next < 0) return NO;
    }
    return (seen & required) === required ? next : NO;
  };
}

/** The field with this name; -1 if there is none. Most fields come in the order of their schema. */
function fieldAt(
  fields: readonly Field[],
  expected: number,
  bytes: Buffer,
  begin: number,
  end: number,
): number {
  for (let step = 0; step < fields.length; step++) {
    const index = (expected + step) % fields.length;
    if (isAt(bytes, begin, end, (fields[index] as Field).name)) return index;
  }
  return -1;
}

function isAt(bytes: Buffer, begin: number, end: number, name: Buffer): boolean {
  if (end - begin !== name.length) return false;
  for (let at = 0; at < name.length; at++) if (bytes[begin + at] !== name[at]) return false;
  return true;
}

/** Any plain value. */
const plain: ValueCheck = (bytes, at, end) => anyPlain(bytes, at, end);

const anyPlain = anyOf([text, finite, nil, boolean, list(plain), map([], plain)]);

function isText(schema: z.core.$ZodType): boolean {
  return inner(schema) === text;
}

/** The first bytes of values. */
const head = {
  nil: 0xc0,
  false: 0xc2,
  true: 0xc3,
  double: 0xcb,
  uint8: 0xcc,
  uint16: 0xcd,
  uint32: 0xce,
  int8: 0xd0,
  int16: 0xd1,
  int32: 0xd2,
};

/** Where a list's first item begins; -1 if there is no list. */
function itemsBegin(bytes: Buffer, at: number): number {
  const first = bytes[at] as number;
  if (first >= 0x90 && first < 0xa0) return at + 1;
  return first === 0xdc ? at + 3 : first === 0xdd ? at + 5 : -1;
}

/** Where a map's first key begins; -1 if there is no map. */
function pairsBegin(bytes: Buffer, at: number): number {
  const first = bytes[at] as number;
  if (first >= 0x80 && first < 0x90) return at + 1;
  return first === 0xde ? at + 3 : first === 0xdf ? at + 5 : -1;
}

/** The number of items of a list, or of pairs of a map, whose first one begins at `begin`. */
function countOf(bytes: Buffer, at: number, begin: number): number {
  if (begin - at === 1) return (bytes[at] as number) & 0x0f;
  return bytes.readUIntBE(at + 1, begin - at - 1);
}
