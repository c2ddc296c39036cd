/**
 * The little that the log needs of a place to keep records: implemented on LMDB
 * and in memory, so that everything else about the log exists once. All calls
 * are synchronous; those that return a batch hold nothing open afterwards.
 */
import type { StreamHead } from "./eventStore.ts";

/** The name of a stream is a key, and LMDB holds no longer ones. */
export const MAX_NAME_BYTES = 1978;
/** A batch ends after so many records, or with the record that exceeds so many bytes. */
export const BATCH_RECORDS = 256;
export const BATCH_BYTES = 1 << 20;

/** A stream as the table knows it. */
export interface TableHead extends StreamHead {
  /** Position of the stream's first event. No two streams share it, so it stands for the name in keys. */
  readonly firstPosition: number;
}

/** Makes of a record what the caller wants; `bytes` may be overwritten after the call. */
export type TakeRecord<T> = (bytes: Buffer, position: number) => T;

export interface RecordTable {
  head(stream: string): TableHead | undefined;
  /** Heads of names that begin with `prefix`, in the order of the names' UTF-8 bytes, from the first after `after` on. */
  heads(after: string | undefined, prefix: string): TableHead[];
  /** Position of the newest record; 0 where there is none. */
  lastPosition(): number;
  /** Records in the order of their position, from the first at or after `from` on. */
  recordsFrom<T>(from: number, take: TakeRecord<T>): T[];
  /** Records of one stream, from number `seq` on. */
  recordsOf<T>(stream: Pick<TableHead, "firstPosition">, seq: number, take: TakeRecord<T>): T[];
  close(): Promise<void>;
}

/** Puts that become visible together, or not at all. */
export interface RecordWriter {
  /** @param position greater than every position there is */
  putRecord(firstPosition: number, seq: number, position: number, bytes: Uint8Array): void;
  putHead(head: TableHead): void;
  /** Removes a stream but for its records: from then on there is no such stream. */
  removeHead(stream: string): void;
  /**
   * Removes the first of the records that a stream had, by its first position.
   * @returns whether any are left
   */
  removeRecords(firstPosition: number, limit: number): boolean;
  /** Remembers a stream whose records are not all removed yet, or forgets it. */
  markPruned(firstPosition: number | undefined): void;
}

export interface WritableTable extends RecordTable {
  /** First positions of streams, in order, from the first after `after` on; a batch may be empty only at the end. */
  firstPositions(after: number): number[];
  /** How many bytes the log takes, roughly. */
  bytes(): number;
  /** What {@link RecordWriter.markPruned} remembers. */
  pruned(): number | undefined;
  /**
   * Carries `action` out in one transaction: reads see the puts made before them,
   * and where anything throws nothing of it remains.
   * @param bytes how much will be put, so that it can be refused before it fails
   * @throws DriverError `STORE_FAILED` where the puts cannot be committed
   */
  write<T>(bytes: number, action: (writer: RecordWriter) => T): T;
  /** Resolves once everything committed so far would survive a power cut. */
  flushed(): Promise<void>;
}
