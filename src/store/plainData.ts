/**
 * Plain data as MessagePack: numbers, strings, booleans, null, arrays, and objects of those. Pure.
 */
import { Packr } from "msgpackr";

/** Writes no extensions that only msgpackr could read. Integers and doubles are exact. */
const messagePack = new Packr({ useRecords: false, variableMapSize: true, copyBuffers: true });

/** @throws TypeError if the data are not plain, RangeError for cycles */
export function encodeData(data: unknown): Buffer {
  if (!isPlain(data))
    throw new TypeError("they are not plain numbers, strings, booleans, arrays and objects");
  return messagePack.encode(data);
}

/** Which of the bytes to decode. Views of them would cost more than most values. */
export interface DecodedPart {
  readonly start: number;
  readonly end: number;
}

/**
 * @param part of the bytes, not empty
 * @param isOfKind whether a value has the expected type
 * @param unread name of a list to return empty, if this list is the last field of the decoded object
 * @returns undefined if the bytes are not exactly one such value. Undefined itself is never stored
 */
export function decodeData<T>(
  bytes: Buffer,
  part: DecodedPart,
  isOfKind: (value: unknown) => value is T,
  unread?: string,
): T | undefined {
  try {
    const value: unknown =
      unread === undefined
        ? messagePack.decode(bytes, part)
        : messagePack.decode(withoutLastList(bytes.subarray(part.start, part.end), unread));
    return isOfKind(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Plain data. Objects and arrays hold only plain data, too. */
type Plain = string | number | boolean | object | null | undefined;

/**
 * Whether a value is plain data. Other values would be decoded as something else, or need extensions that
 * only msgpackr reads.
 */
export function isPlain(value: unknown): value is Plain {
  if (typeof value !== "object") {
    return typeof value !== "function" && typeof value !== "symbol" && typeof value !== "bigint";
  }
  if (value === null) return true;
  // Plain loops: this runs for every event that is read.
  if (Array.isArray(value)) {
    for (const item of value) if (!isPlain(item)) return false;
    return true;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  for (const key in value) if (!isPlain((value as Record<string, unknown>)[key])) return false;
  return true;
}

/**
 * Replaces the list in the last field of a map with an empty list, if this field has the given name. Decoding
 * a long list that nobody needs takes longer than all the rest. Returns other bytes unchanged.
 * @throws RangeError for bytes that end too early
 */
function withoutLastList(bytes: Buffer, name: string): Buffer {
  const map = mapAt(bytes);
  if (map === undefined) return bytes;
  const last = endOf(bytes, map.first, 2 * (map.fields - 1));
  const value = last + 1 + name.length;
  const isNamed =
    bytes[last] === (fixed.text | name.length) && bytes.toString("latin1", last + 1, value) === name;
  if (!isNamed || !isList(bytes[value])) return bytes;
  const shorter = Buffer.from(bytes.subarray(0, value + 1));
  shorter[value] = fixed.list;
  return shorter;
}

/** Whether a list of this many items, up to 15, begins at `at`. */
export function isListOf(bytes: Buffer, at: number, items: number): boolean {
  return bytes[at] === (fixed.list | items);
}

/** Where the bytes of the text at `at` begin; -1 if there is something else. */
export function textBegin(bytes: Buffer, at: number): number {
  const head = bytes[at] as number;
  if (head >= fixed.text && head < 0xc0) return at + 1;
  return head === 0xd9 ? at + 2 : head === 0xda ? at + 3 : head === 0xdb ? at + 5 : -1;
}

/** Where the bytes of a text end. @param begin of {@link textBegin} */
export function textEnd(bytes: Buffer, at: number, begin: number): number {
  if (begin - at === 1) return begin + ((bytes[at] as number) & 0x1f);
  let length = 0;
  for (let digit = at + 1; digit < begin; digit++) length = 256 * length + (bytes[digit] ?? 0);
  return begin + length;
}

/** The first bytes of short values. Their lowest bits are the length. */
const fixed = { map: 0x80, list: 0x90, text: 0xa0 };

function mapAt(bytes: Buffer): { readonly fields: number; readonly first: number } | undefined {
  const [head = 0] = bytes;
  const fields = head === 0xde ? bytes.readUInt16BE(1) : (head & 0xf0) === fixed.map ? head & 0x0f : 0;
  return fields === 0 ? undefined : { fields, first: head === 0xde ? 3 : 1 };
}

function isList(head = 0): boolean {
  return (head & 0xf0) === fixed.list || head === 0xdc || head === 0xdd;
}

/** The position after `values` values, the first of which begins at `at`. */
function endOf(bytes: Buffer, at: number, values: number): number {
  let end = at;
  for (let left = values; left > 0 && end < bytes.length; left--) {
    const head = bytes[end++] as number;
    if (head < fixed.map || head >= 0xe0) continue;
    if (head < fixed.list) left += 2 * (head & 0x0f);
    else if (head < fixed.text) left += head & 0x0f;
    else if (head < 0xc0) end += head & 0x1f;
    else {
      const { length = 0, bytes: rest = 0, values: nested = 0 } = formats[head] ?? {};
      const count = length === 0 ? 0 : bytes.readUIntBE(end, length);
      end += length + rest + (nested === 0 ? count : 0);
      left += nested * count;
    }
  }
  return end;
}

/**
 * What follows the first byte of a longer value: the number of bytes of its length field, the number of
 * further bytes, and the number of values per unit of length.
 */
const formats: Readonly<
  Record<number, { readonly length?: number; readonly bytes?: number; readonly values?: number }>
> = {
  // Binary data, then extensions with a type.
  196: { length: 1 },
  197: { length: 2 },
  198: { length: 4 },
  199: { length: 1, bytes: 1 },
  200: { length: 2, bytes: 1 },
  201: { length: 4, bytes: 1 },
  // Numbers.
  202: { bytes: 4 },
  203: { bytes: 8 },
  204: { bytes: 1 },
  205: { bytes: 2 },
  206: { bytes: 4 },
  207: { bytes: 8 },
  208: { bytes: 1 },
  209: { bytes: 2 },
  210: { bytes: 4 },
  211: { bytes: 8 },
  // Extensions of a fixed length.
  212: { bytes: 2 },
  213: { bytes: 3 },
  214: { bytes: 5 },
  215: { bytes: 9 },
  216: { bytes: 17 },
  // Texts, lists, maps.
  217: { length: 1 },
  218: { length: 2 },
  219: { length: 4 },
  220: { length: 2, values: 1 },
  221: { length: 4, values: 1 },
  222: { length: 2, values: 2 },
  223: { length: 4, values: 2 },
};
