/**
 * The stored form of an event, with its link in a chain of hashes.
 *
 *      0  version of this format (1)
 *      1  length of the header, 32 bits, big-endian
 *      5  hash of the previous event in its stream; zeros for the first
 *     37  hash of salt and data
 *     69  header, MessagePack: [stream, seq, position, type, schema, time, from, to, effects]
 *      …  hash of everything above; the next event in the stream repeats it
 *      …  salt
 *      …  data, MessagePack
 *
 * Hashes are SHA-256 over the stored bytes themselves. So no canonical form is needed, and every byte is
 * covered by a hash.
 *
 * The data have a hash of their own, so an event can still be verified as a link of the chain after an export
 * has masked its data. Masking removes the salt too: without the salt nobody can find the data by hashing
 * guesses.
 *
 * An event's hash also covers its position, because the order of events across tasks is evidence too. Nothing
 * renumbers a log: pruning leaves gaps.
 */
import { hash as digest } from "node:crypto";
import type { EventToAppend, StoredEvent } from "./eventStore.ts";
import { type DecodedPart, decodeData, encodeData, isPlain } from "./plainData.ts";
import { type HeaderFields, type RecordHeader, readHeader, readPlace } from "./recordHeader.ts";

/** Hash that the first event of a stream refers to; hex. */
export const NO_HASH = "0".repeat(64);
/** Length of the random salt that {@link sealData} takes, in bytes. */
export const SALT_BYTES = 16;

const FORMAT = 1;
/**
 * The format of a record whose data were masked. All hashes in such a record are those of the original
 * record. A checksum of the masked data takes the place of the salt. No log has such records.
 */
const MASKED_FORMAT = 2;
export const HASH_BYTES = 32;
const PREVIOUS_AT = 5;
export const DATA_HASH_AT = PREVIOUS_AT + HASH_BYTES;
export const HEADER_AT = DATA_HASH_AT + HASH_BYTES;

/** An event's data in their stored form. */
export interface SealedData {
  /** Salt, then data. */
  readonly bytes: Uint8Array;
  /** SHA-256 of `bytes`; hex. */
  readonly hash: string;
}

/** An event's place in the log. */
export interface RecordPlace {
  readonly stream: string;
  readonly seq: number;
  readonly position: number;
  /** Hash of the previous event in its stream, or {@link NO_HASH}; hex. */
  readonly previousHash: string;
}

export interface EventRecord {
  readonly event: StoredEvent;
  readonly previousHash: string;
}

/** Why bytes are not an intact record. */
export interface RecordDefect {
  /**
   * `format`: the record has another version or is too short. `hash`: the header or one of the hashes has
   * changed. `data`: the data have changed.
   */
  readonly kind: "format" | "hash" | "data";
  readonly expected: string;
  readonly found: string;
  /** The event without its data. Set if only the data have changed. */
  readonly header?: Omit<StoredEvent, "data">;
}

/**
 * Encodes data for storage. The result is a snapshot: later changes to the object do not affect it.
 * @param salt {@link SALT_BYTES} random bytes, never used before
 * @throws TypeError if the data are not plain, RangeError for cycles
 */
export function sealData(data: unknown, salt: Uint8Array): SealedData {
  const bytes = Buffer.concat([salt, encodeData(data)]);
  return { bytes, hash: digest("sha256", bytes, "hex") };
}

/** Returns the bytes to store, and the event as a reader will see it. */
export function encodeRecord(
  event: EventToAppend,
  place: RecordPlace,
  sealed: SealedData,
): { readonly bytes: Uint8Array; readonly event: StoredEvent } {
  const { type, schema, time, data, from, to, effects } = event;
  const { stream, seq, position, previousHash } = place;
  const fields: HeaderFields = [stream, seq, position, type, schema, time, from, to, effects];
  const header = encodeData(fields);
  const hashAt = HEADER_AT + header.length;
  const bytes = Buffer.allocUnsafe(hashAt + HASH_BYTES + sealed.bytes.length);
  bytes[0] = FORMAT;
  bytes.writeUInt32BE(header.length, 1);
  bytes.write(previousHash, PREVIOUS_AT, HASH_BYTES, "hex");
  bytes.write(sealed.hash, DATA_HASH_AT, HASH_BYTES, "hex");
  bytes.set(header, HEADER_AT);
  const hash = digest("sha256", bytes.subarray(0, hashAt), "hex");
  bytes.write(hash, hashAt, HASH_BYTES, "hex");
  bytes.set(sealed.bytes, hashAt + HASH_BYTES);
  return { bytes, event: { stream, seq, position, type, schema, time, data, from, to, effects, hash } };
}

export interface ReadOptions {
  /** Name of a list to skip: if the list is the last field of the data, it is returned empty. */
  readonly unread?: string | undefined;
  /**
   * Whether the reader needs nothing of data but that they are as this function accepts them. Such data are
   * undefined in the event.
   */
  readonly isKnown?: ((header: RecordHeader, bytes: Buffer, part: DecodedPart) => boolean) | undefined;
}

/**
 * Reads stored bytes and checks every one of them.
 * @param bytes may be overwritten after the call
 */
export function readRecord(bytes: Buffer, { unread, isKnown }: ReadOptions = {}): EventRecord | RecordDefect {
  const masked = bytes[0] === MASKED_FORMAT;
  if (bytes[0] !== FORMAT && !masked)
    return { kind: "format", expected: `version ${FORMAT}`, found: `version ${bytes[0] ?? "none"}` };
  const hashAt = HEADER_AT + (bytes.length < HEADER_AT ? 0 : bytes.readUInt32BE(1));
  const dataAt = hashAt + HASH_BYTES;
  if (bytes.length <= dataAt + SALT_BYTES) {
    return {
      kind: "format",
      expected: `more than ${dataAt + SALT_BYTES} bytes`,
      found: `${bytes.length} bytes`,
    };
  }
  const hash = bytes.toString("hex", hashAt, dataAt);
  const hashed = bytes.subarray(0, hashAt);
  const actualHash = digest("sha256", masked ? unmasked(hashed) : hashed, "hex");
  if (actualHash !== hash) return { kind: "hash", expected: hash, found: actualHash };
  const dataHash = masked
    ? bytes.toString("hex", dataAt, dataAt + SALT_BYTES)
    : bytes.toString("hex", DATA_HASH_AT, HEADER_AT);
  const sealed = bytes.subarray(dataAt);
  const actualDataHash = masked ? checksumOf(sealed) : digest("sha256", sealed, "hex");
  // Correct hashes do not make a header well-formed: anybody can hash any bytes.
  const fields = readHeader(bytes, HEADER_AT, hashAt);
  if (fields === undefined) return { kind: "format", expected: "a header", found: "something else" };
  const { stream, seq, position, type, schema, time, from, to, effects } = fields;
  if (actualDataHash !== dataHash)
    return { kind: "data", expected: dataHash, found: actualDataHash, header: { ...fields, hash } };
  const part = { start: dataAt + SALT_BYTES, end: bytes.length };
  const skips = isKnown?.(fields, bytes, part) === true;
  const data = skips ? undefined : decodeData(bytes, part, isPlain, unread);
  if (data === undefined && !skips)
    return { kind: "data", expected: "plain data", found: "something else", header: { ...fields, hash } };
  return {
    event: { stream, seq, position, type, schema, time, data, from, to, effects, hash },
    previousHash: bytes.toString("hex", PREVIOUS_AT, DATA_HASH_AT),
  };
}

/**
 * The stream and the number that a record names, without a look at anything else in it.
 * @returns undefined if no header of a record begins with them
 */
export function placeOf(bytes: Buffer): Pick<StoredEvent, "stream" | "seq"> | undefined {
  return readPlace(bytes, HEADER_AT);
}

/** The header of a record, unchecked; undefined if there is none. */
export function headerOf(bytes: Buffer): RecordHeader | undefined {
  return bytes.length < HEADER_AT ? undefined : readHeader(bytes, HEADER_AT, hashAt(bytes));
}

/** Whether {@link readRecord} returned a defect. */
export function isDefect(read: EventRecord | RecordDefect): read is RecordDefect {
  return "kind" in read;
}

const NO_SALT = Buffer.alloc(SALT_BYTES);

/** Checksum of masked data in their stored form, with zeros for the salt: half a SHA-256 in hex. */
function checksumOf(sealed: Uint8Array): string {
  const bytes = Buffer.concat([NO_SALT, sealed.subarray(SALT_BYTES)]);
  return digest("sha256", bytes, "hex").slice(0, 2 * SALT_BYTES);
}

/** The hashed part of a record as it was before its data were masked. */
function unmasked(hashed: Buffer): Buffer {
  const original = Buffer.from(hashed);
  original[0] = FORMAT;
  return original;
}

/**
 * What a record holds besides its event: event and proof together are enough to rebuild the record. All
 * values are hex.
 */
export interface RecordProof {
  readonly previousHash: string;
  readonly dataHash: string;
  /** Salt of the stored data; undefined if the data were masked. */
  readonly salt?: string;
  /** Checksum of masked data. */
  readonly checksum?: string;
}

/** The proof of an intact record. */
export function readProof(bytes: Buffer): RecordProof {
  const seal = hexAt(bytes, hashAt(bytes) + HASH_BYTES, SALT_BYTES);
  return {
    previousHash: hexAt(bytes, PREVIOUS_AT, HASH_BYTES),
    dataHash: hexAt(bytes, DATA_HASH_AT, HASH_BYTES),
    ...(bytes[0] === MASKED_FORMAT ? { checksum: seal } : { salt: seal }),
  };
}

/** The proof of an event after masking has replaced its data with `data`. */
export function maskProof({ previousHash, dataHash }: RecordProof, data: unknown): RecordProof {
  return { previousHash, dataHash, checksum: checksumOf(sealData(data, Buffer.alloc(SALT_BYTES)).bytes) };
}

/** Rebuilds a record, unchecked: `readRecord` checks whether it is intact. */
export function rebuildRecord(event: StoredEvent, proof: RecordProof): Buffer {
  const { stream, seq, position, hash } = event;
  const { previousHash, dataHash, salt, checksum } = proof;
  const sealed = sealData(event.data, Buffer.from(salt ?? checksum ?? "", "hex"));
  const place = { stream, seq, position, previousHash };
  const bytes = Buffer.from(encodeRecord(event, place, { bytes: sealed.bytes, hash: dataHash }).bytes);
  if (salt === undefined) bytes[0] = MASKED_FORMAT;
  bytes.write(hash, hashAt(bytes), HASH_BYTES, "hex");
  return bytes;
}

function hashAt(bytes: Buffer): number {
  return HEADER_AT + bytes.readUInt32BE(1);
}

function hexAt(bytes: Buffer, at: number, length: number): string {
  return bytes.toString("hex", at, at + length);
}
