/** The log's tables in LMDB, for the log's writer. */
import type { IndexEntry, StreamEntry } from "../eventStore.ts";
import { logFiles } from "../folder/logFolders.ts";
import {
  BATCH_ENTRIES,
  BATCH_RECORDS,
  MAX_NAME_BYTES,
  RecordBatch,
  type RecordWriter,
  type TakeRecord,
  type WritableTable,
} from "../recordTable.ts";
import { storeError } from "../storeError.ts";
import type { BackgroundFlush } from "./backgroundFlush.ts";
import { MAX_SEQ, type SequenceKey } from "./lmdbCodecs.ts";
import type { Database, LmdbEnvironment, TableStats } from "./lmdbEnvironment.ts";
import { dropFreeList, requireWritable } from "./lmdbFile.ts";
import type { NewestCommit } from "./newestCommit.ts";
import type { WorkMark } from "./workMark.ts";

/**
 * `ABORTABLE | SYNCHRONOUS_COMMIT | NO_SYNC_FLUSH` of lmdb's TransactionFlags, which lmdb exports as a type
 * only.
 */
const COMMIT_WITHOUT_FLUSH = 0x1_0003;

/** LMDB did not find an entry, or could not read its list of free pages. */
const MDB_NOTFOUND = -30798;
/** An earlier call in the transaction has failed. */
const MDB_BAD_TXN = -30782;

/** The parts of a writer besides LMDB. They are closed together with the table. */
export interface WriterParts {
  readonly flush: BackgroundFlush;
  readonly newest: NewestCommit;
  readonly mark: WorkMark;
}

export class LmdbTable implements WritableTable {
  readonly #lmdb: LmdbEnvironment;
  readonly #folder: string;
  readonly #flush: BackgroundFlush;
  readonly #newest: NewestCommit;
  readonly #mark: WorkMark;
  readonly #writer: RecordWriter;
  /**
   * Whether a transaction is open. Reads within a transaction need no check, because its snapshot was checked
   * when it began.
   */
  #writing = false;

  /** @param folder the log's folder */
  constructor(lmdb: LmdbEnvironment, folder: string, { flush, newest, mark }: WriterParts) {
    this.#lmdb = lmdb;
    this.#folder = folder;
    this.#flush = flush;
    this.#newest = newest;
    this.#mark = mark;
    this.#writer = writerOf(lmdb);
  }

  head(stream: string): StreamEntry | undefined {
    const key = Buffer.from(stream);
    if (key.length === 0 || key.length > MAX_NAME_BYTES) return undefined;
    return this.#reading(({ heads }) => {
      const head = heads.get(key);
      return head && { stream, ...head };
    });
  }

  heads(after: string | undefined, prefix: string): StreamEntry[] {
    const start = Buffer.from(after ?? (prefix || "\0"));
    // Greater than every byte of UTF-8.
    const end = Buffer.concat([Buffer.from(prefix), Buffer.from([0xff])]);
    const range = { start, exclusiveStart: after !== undefined, end, limit: BATCH_ENTRIES };
    return this.#reading(({ heads }) =>
      Array.from(heads.getRange(range), ({ key, value }) => ({ stream: String(key), ...value })),
    );
  }

  openHeads(): StreamEntry[] | undefined {
    return this.#reading((lmdb) => {
      const found: StreamEntry[] = [];
      for (const { key, value: stream } of lmdb.open.getRange({ limit: Number.MAX_SAFE_INTEGER })) {
        const head = lmdb.heads.get(Buffer.from(stream));
        if (head?.firstPosition !== key) return undefined;
        found.push({ stream, ...head });
      }
      return found;
    });
  }

  lastPosition(): number {
    return this.#reading(lastPositionOf);
  }

  recordsFrom<T>(from: number, take: TakeRecord<T>): T[] {
    return this.#reading(({ records }) => {
      const batch = new RecordBatch(take);
      for (const { key, value } of records.getRange({ start: from, limit: BATCH_RECORDS })) {
        if (batch.add(value, key)) break;
      }
      return batch.items;
    });
  }

  recordsOf<T>({ firstPosition }: Pick<StreamEntry, "firstPosition">, seq: number, take: TakeRecord<T>): T[] {
    return this.#reading(({ records, positions }) => {
      const batch = new RecordBatch(take);
      // Reads all positions first, because a value is valid only until the next read.
      for (const { value } of [...positions.getRange(eventsOf(firstPosition, seq, BATCH_RECORDS))]) {
        const bytes = records.get(value);
        if (bytes === undefined || batch.add(bytes, value)) break;
      }
      return batch.items;
    });
  }

  lastPositions(streams: readonly StreamEntry[]): number[] {
    return this.#reading(({ positions }) =>
      streams.map(({ firstPosition, version }) => positions.get([firstPosition, version]) ?? 0),
    );
  }

  indexFrom(firstPosition: number, seq: number): IndexEntry[] {
    const range = { start: [firstPosition, Math.min(seq, MAX_SEQ)] as const, limit: BATCH_ENTRIES };
    return this.#reading(({ positions }) =>
      Array.from(positions.getRange(range), ({ key: [first, number], value }) => ({
        ...{ firstPosition: first, seq: number, position: value },
      })),
    );
  }

  firstPositions(after: number): number[] {
    return this.#reading(({ positions }) => {
      const found: number[] = [];
      while (found.length < BATCH_RECORDS) {
        const start: SequenceKey = [found.at(-1) ?? after, MAX_SEQ];
        const [next] = positions.getKeys({ start, exclusiveStart: true, limit: 1 });
        if (next === undefined) break;
        found.push(next[0]);
      }
      return found;
    });
  }

  bytes(): number {
    return this.#reading(({ records, positions, heads }) =>
      [records, positions, heads].reduce((sum, table) => sum + bytesOf(table.getStats()), 0),
    );
  }

  pruned(): number | undefined {
    return this.#reading(({ pruned }) => pruned.get());
  }

  write<T>(bytes: number, action: (writer: RecordWriter) => T): T {
    try {
      requireWritable(this.#folder, bytes);
      const result = this.#onNewestSnapshot(() => this.#transaction(action));
      this.#newest.committed();
      this.#mark.committed();
      this.#flush.committed();
      return result;
    } catch (thrown) {
      throw storeError(thrown, "commit", this.#folder);
    }
  }

  flushed(): Promise<void> {
    return this.#flush.flushed();
  }

  async close(): Promise<void> {
    try {
      await this.#flush.close();
    } finally {
      await this.#lmdb.close();
      this.#newest.close();
      this.#mark.remove();
    }
  }

  #reading<T>(action: (lmdb: LmdbEnvironment) => T): T {
    if (this.#writing) return this.#read(action);
    return this.#onNewestSnapshot(() => {
      const result = this.#read(action);
      this.#newest.requireNewest();
      return result;
    });
  }

  #read<T>(action: (lmdb: LmdbEnvironment) => T): T {
    try {
      // Another process may have written since the last read.
      this.#lmdb.resetReadTxn();
      return action(this.#lmdb);
    } catch (thrown) {
      throw storeError(thrown, "read", this.#folder);
    }
  }

  /**
   * LMDB's page allocator fails with MDB_NOTFOUND if the list of free pages has an entry of transaction 0. A put
   * then leaves a transaction that can only be undone, or the commit fails. The allocator has forgotten its part
   * of the list after that, so a second attempt reads the list anew. If this fails as well, the list in the file
   * is damaged. The log does without it: the list only saves space.
   */
  #transaction<T>(action: (writer: RecordWriter) => T): T {
    const attempt = () =>
      this.#lmdb.transactionSync(() => {
        this.#newest.requireNewest();
        this.#writing = true;
        try {
          return action(this.#writer);
        } finally {
          this.#writing = false;
        }
      }, COMMIT_WITHOUT_FLUSH);
    for (const mend of [() => {}, () => dropFreeList(logFiles(this.#folder).data)]) {
      try {
        return attempt();
      } catch (thrown) {
        const { code } = thrown as { readonly code?: unknown };
        if (code !== MDB_NOTFOUND && code !== MDB_BAD_TXN) throw thrown;
        mend();
      }
    }
    return attempt();
  }

  #onNewestSnapshot<T>(attempt: () => T): T {
    return this.#newest.repeatUntilNewest(() => this.#mark.during(attempt));
  }
}

/** The writes of a transaction. To be used only within a transaction. */
function writerOf({ records, positions, heads, open, pruned }: LmdbEnvironment): RecordWriter {
  return {
    putRecord: (firstPosition, seq, position, bytes) => {
      put(records, position, bytes, { append: true });
      put(positions, [firstPosition, seq], position, { noOverwrite: true });
    },
    putHead: ({ stream, ...head }) => put(heads, Buffer.from(stream), head, {}),
    removeHead: (stream) => void heads.removeSync(Buffer.from(stream)),
    removeRecords: (firstPosition, limit) => {
      const entries = [...positions.getRange(eventsOf(firstPosition, 0, limit))];
      for (const { key, value } of entries) {
        records.removeSync(value);
        positions.removeSync(key);
      }
      return entries.length === limit;
    },
    markPruned: (firstPosition) => pruned.put(firstPosition),
    listOpen: ({ stream, firstPosition }, isOpen) => {
      if (isOpen) put(open, firstPosition, stream, {});
      else open.removeSync(firstPosition);
    },
  };
}

/** @throws LMDB's error `MDB_BAD_TXN` if LMDB has no page for the entry */
function put<K, V>(
  table: Database<K, V>,
  key: K,
  value: V,
  flags: { append?: boolean; noOverwrite?: boolean },
): void {
  if (table.putSync(key, value, flags)) return;
  // lmdb gives the same answer whether a flag forbids the put or the put has failed. Only in the latter case, the
  // transaction can no longer be read.
  table.get(key);
  throw new Error(`LMDB does not take the entry ${JSON.stringify(key)}`);
}

/** The range of a stream's events in the index, from sequence number `seq` on. */
function eventsOf(firstPosition: number, seq: number, limit: number) {
  const start: SequenceKey = [firstPosition, seq];
  const end: SequenceKey = [firstPosition, MAX_SEQ];
  return { start, end, limit };
}

function lastPositionOf({ records }: LmdbEnvironment): number {
  const [newest] = records.getKeys({ reverse: true, end: 0, limit: 1 });
  return newest ?? 0;
}

function bytesOf(stats: TableStats): number {
  const { pageSize, treeBranchPageCount, treeLeafPageCount, overflowPages } = stats;
  return pageSize * (treeBranchPageCount + treeLeafPageCount + overflowPages);
}
