/**
 * The interface of the log's storage. It has three implementations: LMDB, a reader of LMDB's file that works
 * without LMDB, and lists in memory. All other code of the log is common to the three. All calls are
 * synchronous. Calls that return a batch hold nothing open afterwards.
 */
import type { IndexEntry, StreamEntry } from "./eventStore.ts";

/** Maximum length of a stream's name. The name is a key in LMDB, and this is LMDB's limit for keys. */
export const MAX_NAME_BYTES = 1978;
/** Maximum number of records in a batch. */
export const BATCH_RECORDS = 256;
/** A batch ends with the record that makes it exceed this many bytes. */
export const BATCH_BYTES = 1 << 20;
/** Entries of the index, or streams, in a batch. The number is large, because entries are small and each batch costs a search. */
export const BATCH_ENTRIES = 4096;

/** Collects a batch. */
export class RecordBatch<T> {
  readonly items: T[] = [];
  readonly #take: TakeRecord<T>;
  #bytes = 0;

  constructor(take: TakeRecord<T>) {
    this.#take = take;
  }

  /** @returns whether the batch is full */
  add(bytes: Buffer, position: number): boolean {
    this.#bytes += bytes.length;
    this.items.push(this.#take(bytes, position));
    return this.#bytes > BATCH_BYTES || this.items.length >= BATCH_RECORDS;
  }
}

/**
 * Converts a record into what the caller needs. `bytes` may be overwritten after the call, and are empty for
 * a record that cannot be read. May be called again for the same record.
 */
export type TakeRecord<T> = (bytes: Buffer, position: number) => T;

export interface RecordTable {
  /** Descriptions of what could not be read so far. Undefined for a table that cannot be damaged. */
  readonly damage?: ReadonlySet<string>;
  head(stream: string): StreamEntry | undefined;
  /**
   * A batch of the heads of streams whose names begin with `prefix` and come after the name `after`, in the
   * order of the names' UTF-8 bytes.
   */
  heads(after: string | undefined, prefix: string): StreamEntry[];
  /**
   * Heads of the streams that the log lists as open, by first position. Undefined if the list is damaged. A
   * bundle has no such list.
   */
  openHeads?(): StreamEntry[] | undefined;
  /** Position of the newest record; 0 if there is none. */
  lastPosition(): number;
  /** Records at position `from` and after it, in order. */
  recordsFrom<T>(from: number, take: TakeRecord<T>): T[];
  /** Records of one stream, from sequence number `seq` on. */
  recordsOf<T>(stream: Pick<StreamEntry, "firstPosition">, seq: number, take: TakeRecord<T>): T[];
  /**
   * Positions of the streams' last events, in the order of the streams; 0 for a stream without events. One
   * call reads all positions from the same snapshot.
   */
  lastPositions(streams: readonly StreamEntry[]): number[];
  /**
   * The index, in its order ({@link IndexEntry}), from an event of a stream on: that event's own entry comes
   * first. Only the last batch may be empty. A bundle has no index.
   */
  indexFrom?(firstPosition: number, seq: number): IndexEntry[];
  close(): Promise<void>;
}

/** Writes that become visible together, or not at all. */
export interface RecordWriter {
  /** @param position greater than every existing position */
  putRecord(firstPosition: number, seq: number, position: number, bytes: Uint8Array): void;
  putHead(head: StreamEntry & { readonly state: string }): void;
  /** Removes a stream, but leaves its records: readers no longer find the stream. */
  removeHead(stream: string): void;
  /**
   * Removes up to `limit` records from the beginning of a removed stream.
   * @returns whether records may be left
   */
  removeRecords(firstPosition: number, limit: number): boolean;
  /** Records the stream whose removal is not finished, by its first position; undefined if there is none. */
  markPruned(firstPosition: number | undefined): void;
  /** Adds a stream to the list of open streams, or removes it. */
  listOpen(stream: Pick<StreamEntry, "stream" | "firstPosition">, isOpen: boolean): void;
}

export interface WritableTable extends RecordTable {
  /** First positions of streams, greater than `after`, in order. Only the last batch may be empty. */
  firstPositions(after: number): number[];
  /** Approximate size of the log, in bytes. */
  bytes(): number;
  /** What {@link RecordWriter.markPruned} recorded. */
  pruned(): number | undefined;
  /**
   * Runs `action` in one transaction. The action's reads see its own earlier puts. If the action throws, none
   * of its puts remain.
   * @param bytes size of the action's puts, so that a full disk is noticed before a put fails
   * @throws DriverError `STORE_FAILED` if the puts cannot be committed
   */
  write<T>(bytes: number, action: (writer: RecordWriter) => T): T;
  /** Resolves once everything committed so far would survive a power cut. */
  flushed(): Promise<void>;
}
