/** Types of the part of lmdb's interface that the store uses. Only lmdbEventStore.ts imports lmdb itself. */
import type { HeadValue, SequenceKey } from "./lmdbCodecs.ts";

/** One of lmdb's databases. */
export interface Database<K, V> {
  get(key: K): V | undefined;
  getKeys(range: Range<K>): Iterable<K>;
  getRange(range: Range<K>): Iterable<{ readonly key: K; readonly value: V }>;
  /** Returns false if a flag forbids the put. */
  putSync(key: K, value: V, flags: { readonly append?: boolean; readonly noOverwrite?: boolean }): boolean;
  removeSync(key: K): boolean;
  getStats(): TableStats;
}

interface Range<K> {
  readonly start?: K;
  readonly end?: K;
  readonly exclusiveStart?: boolean;
  readonly reverse?: boolean;
  readonly limit: number;
}

/** A single number, or none. */
export interface Slot {
  get(): number | undefined;
  put(value: number | undefined): void;
}

export interface LmdbEnvironment {
  /** Records by their position. */
  readonly records: Database<number, Buffer>;
  /** Positions of a stream's events. */
  readonly positions: Database<SequenceKey, number>;
  /** Heads by their stream's name in UTF-8. */
  readonly heads: Database<string | Buffer, HeadValue>;
  /** Names of the streams whose tasks are not over, by each stream's first position. */
  readonly open: Database<number, string>;
  /** First position of a stream whose removal is not finished. */
  readonly pruned: Slot;
  /** Releases the snapshot that all reads in one turn of the event loop share. */
  resetReadTxn(): void;
  /**
   * If `action` throws, the transaction aborts. `action` must not return a promise: that would keep the
   * transaction open.
   */
  transactionSync<T>(action: () => T, flags: number): T;
  close(): Promise<void>;
}

/** lmdb's figures for one database. */
export interface TableStats {
  readonly pageSize: number;
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
}
