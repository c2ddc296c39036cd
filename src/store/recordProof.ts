/** A record's hashes and salt, apart from its event. Exports store both, and rebuild the record. Pure. */
import {
  checksumOf,
  DATA_HASH_AT,
  encodeRecord,
  HASH_BYTES,
  HEADER_AT,
  MASKED_FORMAT,
  PREVIOUS_AT,
  SALT_BYTES,
  sealData,
} from "./eventRecord.ts";
import type { StoredEvent } from "./eventStore.ts";

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
