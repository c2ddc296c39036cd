/** Encodes keys and small values of the LMDB tables. Numbers are big-endian, so keys sort as numbers do. */

import type { StreamEntry } from "../eventStore.ts";

/** `writeKey` writes into lmdb's own buffer, from `start` on, and returns where the key ends. */
interface KeyCodec<K> {
  writeKey(key: K, target: Buffer, start: number): number;
  readKey(source: Buffer, start: number, end: number): K;
}

interface ValueCodec<V> {
  encode(value: V): Buffer;
  /** @param bytes may be overwritten after the call */
  decode(bytes: Buffer): V;
}

const POSITION_BYTES = 6;
const SEQ_BYTES = 4;
/** Positions have 48 bits. */
export const MAX_POSITION = 2 ** 48 - 1;
const HASH_BYTES = 32;
const HEAD_FORMAT = 1;

export const positionKey: KeyCodec<number> = {
  writeKey: (position, target, start) => target.writeUIntBE(position, start, POSITION_BYTES),
  readKey: (source, start) => source.readUIntBE(start, POSITION_BYTES),
};

/**
 * A stream's name. Decoding returns a string, because listings read many names. The bound of a range may be
 * any bytes.
 */
export const nameKey: KeyCodec<string | Buffer> = {
  writeKey: (name, target, start) => {
    const bytes = Buffer.from(name as string);
    target.set(bytes, start);
    return start + bytes.length;
  },
  readKey: (source, start, end) => source.toString("utf8", start, end),
};

/** A stream's first position and a sequence number. */
export type SequenceKey = readonly [firstPosition: number, seq: number];
export const MAX_SEQ = 0xffff_ffff;

export const sequenceKey: KeyCodec<SequenceKey> = {
  writeKey: ([firstPosition, seq], target, start) =>
    target.writeUInt32BE(seq, target.writeUIntBE(firstPosition, start, POSITION_BYTES)),
  readKey: (source, start) => [
    source.readUIntBE(start, POSITION_BYTES),
    source.readUInt32BE(start + POSITION_BYTES),
  ],
};

export const positionValue: ValueCodec<number> = {
  encode: (position) => {
    const bytes = Buffer.allocUnsafe(POSITION_BYTES);
    bytes.writeUIntBE(position, 0, POSITION_BYTES);
    return bytes;
  },
  decode: (bytes) => bytes.readUIntBE(0, POSITION_BYTES),
};

export const nameValue: ValueCodec<string> = {
  encode: (name) => Buffer.from(name),
  decode: (bytes) => bytes.toString("utf8", 0, bytes.length),
};

/** lmdb returns every value in one shared buffer, and sets the buffer's `length` to the value's length. */
export const recordValue: ValueCodec<Buffer> = {
  encode: (bytes) => bytes,
  decode: (bytes) => bytes.subarray(0, bytes.length),
};

/** A stream's entry. The stream's name is left out, because the name is the key. */
export type HeadValue = Omit<StreamEntry, "stream"> & { readonly state: string };

/** The state is the last field, because only its length varies. */
const STATE_AT = 1 + POSITION_BYTES + 4 + HASH_BYTES;

export const headValue: ValueCodec<HeadValue> = {
  encode: ({ firstPosition, version, hash, state }) => {
    const bytes = Buffer.allocUnsafe(STATE_AT + Buffer.byteLength(state));
    bytes[0] = HEAD_FORMAT;
    bytes.writeUIntBE(firstPosition, 1, POSITION_BYTES);
    bytes.writeUInt32BE(version, 1 + POSITION_BYTES);
    bytes.write(hash, 5 + POSITION_BYTES, HASH_BYTES, "hex");
    bytes.write(state, STATE_AT);
    return bytes;
  },
  decode: (bytes) => ({
    firstPosition: bytes.readUIntBE(1, POSITION_BYTES),
    version: bytes.readUInt32BE(1 + POSITION_BYTES),
    hash: bytes.toString("hex", 5 + POSITION_BYTES, STATE_AT),
    state: bytes.toString("utf8", STATE_AT, bytes.length),
  }),
};

/** Whether the bytes have the form of a head. The file that they come from may be damaged. */
export function isHead(bytes: Buffer): boolean {
  return bytes.length > STATE_AT && bytes[0] === HEAD_FORMAT;
}

/** The bytes of a key as LMDB stores them. */
export function keyBytes<K>({ writeKey }: KeyCodec<K>, key: K): Buffer {
  const bytes = Buffer.allocUnsafe(POSITION_BYTES + SEQ_BYTES);
  const end = writeKey(key, bytes, 0);
  return end === bytes.length ? bytes : bytes.subarray(0, end);
}
