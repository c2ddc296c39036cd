/**
 * The header of a record: all of an event but its data. Headers are read in place, because decoding them as
 * data are decoded would take twice as long, and every reader of the log reads them all. Pure.
 */
import type { StoredEvent } from "./eventStore.ts";
import { decodeData, isListOf, textBegin, textEnd } from "./plainData.ts";

/** The fields of an event in their stored order. */
export type HeaderFields = readonly [
  stream: string,
  seq: number,
  position: number,
  type: string,
  schema: number,
  time: number,
  from: string,
  to: string,
  effects: readonly string[],
];

export type RecordHeader = Omit<StoredEvent, "data" | "hash">;

/** The number of fields of a header. */
const HEADER_FIELDS = 9;

/** @returns undefined if the bytes between `start` and `end` are no header */
export function readHeader(bytes: Buffer, start: number, end: number): RecordHeader | undefined {
  const read = readInPlace(bytes, start, end);
  if (read !== undefined) return read;
  const fields = decodeData(bytes, { start, end }, isHeader);
  if (fields === undefined) return undefined;
  const [stream, seq, position, type, schema, time, from, to, effects] = fields;
  return { stream, seq, position, type, schema, time, from, to, effects };
}

/**
 * The stream and the number that a header begins with, without a look at anything else in it.
 * @returns undefined if no header that the log's writer would encode begins at `start`
 */
export function readPlace(bytes: Buffer, start: number): Pick<RecordHeader, "stream" | "seq"> | undefined {
  if (!isListOf(bytes, start, HEADER_FIELDS)) return undefined;
  const cursor = new Cursor(bytes, start + 1, bytes.length);
  const stream = cursor.text();
  const seq = cursor.number();
  return cursor.hasFailed ? undefined : { stream, seq };
}

/** @returns undefined for anything that the log's writer would encode otherwise */
function readInPlace(bytes: Buffer, start: number, end: number): RecordHeader | undefined {
  if (!isListOf(bytes, start, HEADER_FIELDS)) return undefined;
  const cursor = new Cursor(bytes, start + 1, end);
  const stream = cursor.text();
  const seq = cursor.number();
  const position = cursor.number();
  const type = cursor.name();
  const schema = cursor.number();
  const time = cursor.number();
  const from = cursor.name();
  const to = cursor.name();
  const effects = cursor.names();
  return cursor.isAtEnd ? { stream, seq, position, type, schema, time, from, to, effects } : undefined;
}

/** Reads values one after another. After a value of another kind, it is never at its end. */
class Cursor {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  constructor(bytes: Buffer, at: number, end: number) {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#end;
  }

  get hasFailed(): boolean {
    return this.#at === Number.POSITIVE_INFINITY;
  }

  text(): string {
    const begin = this.#textBegin();
    return begin < 0 ? "" : this.#bytes.toString("utf8", begin, this.#at);
  }

  /** A text that many records have. */
  name(): string {
    const begin = this.#textBegin();
    return begin < 0 ? "" : knownName(this.#bytes, begin, this.#at);
  }

  names(): string[] {
    const head = this.#bytes[this.#at] as number;
    if (head < 0x90 || head > 0x9f) return this.#fail([]);
    this.#at += 1;
    const names: string[] = [];
    for (let left = head & 0x0f; left > 0; left--) names.push(this.name());
    return names;
  }

  number(): number {
    const [bytes, at] = [this.#bytes, this.#at];
    const head = bytes[at] as number;
    const length = head < 0x80 ? 1 : (numberBytes[head - FIRST_NUMBER] ?? 0);
    if (length === 0 || at + length > this.#end) return this.#fail(0);
    this.#at += length;
    if (length === 1) return head;
    return length === 9 ? bytes.readDoubleBE(at + 1) : bytes.readUIntBE(at + 1, length - 1);
  }

  /** Goes to the end of a text. @returns where its bytes begin; -1 if there is no text */
  #textBegin(): number {
    const begin = textBegin(this.#bytes, this.#at);
    const end = begin < 0 ? Number.POSITIVE_INFINITY : textEnd(this.#bytes, this.#at, begin);
    if (end > this.#end) return this.#fail(-1);
    this.#at = end;
    return begin;
  }

  #fail<T>(value: T): T {
    this.#at = Number.POSITIVE_INFINITY;
    return value;
  }
}

/** The lengths of a double and of unsigned integers of 8, 16 and 32 bits, by their first bytes. */
const numberBytes = [9, 2, 3, 5];
const FIRST_NUMBER = 0xcb;

const KNOWN_NAMES = 256;
/** Names that were read before, each at a place that its bytes determine. */
const known: string[] = Array.from({ length: KNOWN_NAMES }, () => "");

/** Returns the same string for the same bytes where it can: types, states and effects are few. */
function knownName(bytes: Buffer, begin: number, end: number): string {
  const length = end - begin;
  const place = (7 * length + 3 * (bytes[begin] as number) + (bytes[end - 1] as number)) % KNOWN_NAMES;
  const name = known[place] ?? "";
  if (name.length === length && isAscii(name, bytes, begin)) return name;
  const read = bytes.toString("utf8", begin, end);
  known[place] = read;
  return read;
}

function isAscii(name: string, bytes: Buffer, begin: number): boolean {
  for (let at = 0; at < name.length; at++) {
    const code = name.charCodeAt(at);
    if (code > 0x7f || code !== bytes[begin + at]) return false;
  }
  return true;
}

function isHeader(value: unknown): value is HeaderFields {
  if (!Array.isArray(value) || value.length !== HEADER_FIELDS) return false;
  return fieldTypes.every((type, index) => typeof value[index] === type) && isTexts(value.at(-1));
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((text) => typeof text === "string");
}

/** The types of {@link HeaderFields}. */
const fieldTypes = ["string", "number", "number", "string", "number", "number", "string", "string", "object"];
