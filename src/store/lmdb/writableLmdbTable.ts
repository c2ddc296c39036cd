/** The log's tables in LMDB, for the log's writer. */
import { BATCH_RECORDS, type RecordWriter, type WritableTable } from "../recordTable.ts";
import type { WorkMark } from "../workMark.ts";
import type { BackgroundFlush } from "./backgroundFlush.ts";
import { requireRoom } from "./diskRoom.ts";
import { MAX_SEQ, type SequenceKey } from "./lmdbCodecs.ts";
import type { Database, LmdbEnvironment, TableStats } from "./lmdbEnvironment.ts";
import { LmdbTable } from "./lmdbTable.ts";
import type { NewestCommit } from "./newestCommit.ts";

/**
 * `ABORTABLE | SYNCHRONOUS_COMMIT | NO_SYNC_FLUSH` of lmdb's TransactionFlags, which lmdb exports as a type
 * only.
 */
const COMMIT_WITHOUT_FLUSH = 0x1_0003;

/** LMDB did not find an entry or a free page. No commit should fail with this error. */
const MDB_NOTFOUND = -30798;
/** An earlier call in the transaction has failed. No commit should fail with this error. */
const MDB_BAD_TXN = -30782;

export class WritableLmdbTable extends LmdbTable implements WritableTable {
  readonly #flush: BackgroundFlush;
  readonly #newest: NewestCommit;
  readonly #mark: WorkMark;
  /**
   * Whether a transaction is open. While it is, reads need no check: its snapshot was checked when it began.
   */
  #writing = false;
  readonly #writer: RecordWriter = {
    putRecord: (firstPosition, seq, position, bytes) => {
      put(this.lmdb.records, position, bytes, { append: true });
      put(this.lmdb.positions, [firstPosition, seq], position, { noOverwrite: true });
    },
    putHead: ({ stream, ...head }) => put(this.lmdb.heads, Buffer.from(stream), head, {}),
    removeHead: (stream) => void this.lmdb.heads.removeSync(Buffer.from(stream)),
    removeRecords: (firstPosition, limit) => {
      const { records, positions } = this.lmdb;
      const range = { start: [firstPosition, 0], end: [firstPosition, MAX_SEQ], limit } as const;
      const entries = [...positions.getRange(range)];
      for (const { key, value } of entries) {
        records.removeSync(value);
        positions.removeSync(key);
      }
      return entries.length === limit;
    },
    markPruned: (firstPosition) => this.lmdb.pruned.put(firstPosition),
    clearOpen: () => this.lmdb.open.clearSync(),
    listOpen: ({ stream, firstPosition }, isOpen) => {
      if (isOpen) put(this.lmdb.open, firstPosition, stream, {});
      else this.lmdb.open.removeSync(firstPosition);
    },
    markListed: (position) => this.lmdb.listed.put(position),
  };

  constructor(
    lmdb: LmdbEnvironment,
    folder: string,
    flush: BackgroundFlush,
    newest: NewestCommit,
    mark: WorkMark,
  ) {
    super(lmdb, folder);
    this.#flush = flush;
    this.#newest = newest;
    this.#mark = mark;
  }

  write<T>(bytes: number, action: (writer: RecordWriter) => T): T {
    try {
      requireRoom(this.folder, bytes);
      const result = this.#onNewestSnapshot(() => this.#transaction(action));
      this.#newest.committed();
      this.#mark.committed();
      this.#flush.committed();
      return result;
    } catch (thrown) {
      throw this.failed(thrown, "commit");
    }
  }

  firstPositions(after: number): number[] {
    return this.reading(({ positions }) => {
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
    return this.reading(({ records, positions, heads }) =>
      [records, positions, heads].reduce((sum, table) => sum + bytesOf(table.getStats()), 0),
    );
  }

  pruned(): number | undefined {
    return this.reading(({ pruned }) => pruned.get());
  }

  flushed(): Promise<void> {
    return this.#flush.flushed();
  }

  override async close(): Promise<void> {
    try {
      await this.#flush.close();
    } finally {
      await super.close();
      this.#newest.close();
      this.#mark.remove();
    }
  }

  protected override reading<T>(action: (lmdb: LmdbEnvironment) => T): T {
    if (this.#writing) return super.reading(action);
    return this.#onNewestSnapshot(() => {
      const result = super.reading(action);
      if (!this.#newest.isPublished()) throw new StaleSnapshot();
      return result;
    });
  }

  /**
   * LMDB's allocator of pages was once seen to fail with MDB_NOTFOUND, which lmdb reports as a refused put or at
   * the commit. Such a transaction is undone, and the allocator's list of free pages dropped with it. So a
   * second attempt reads the list anew.
   */
  #transaction<T>(action: (writer: RecordWriter) => T): T {
    const attempt = () =>
      this.lmdb.transactionSync(() => {
        if (!this.#newest.isPublished()) throw new StaleSnapshot();
        this.#writing = true;
        try {
          return action(this.#writer);
        } finally {
          this.#writing = false;
        }
      }, COMMIT_WITHOUT_FLUSH);
    try {
      return attempt();
    } catch (thrown) {
      const { code } = thrown as { readonly code?: unknown };
      if (!(thrown instanceof RefusedPut) && code !== MDB_NOTFOUND && code !== MDB_BAD_TXN) throw thrown;
      return attempt();
    }
  }

  /** Repeats an attempt while other processes that open the log hide its newest commit (newestCommit.ts). */
  #onNewestSnapshot<T>(attempt: () => T): T {
    for (;;) {
      try {
        return this.#mark.during(attempt);
      } catch (thrown) {
        if (!(thrown instanceof StaleSnapshot)) throw thrown;
        this.#newest.publish();
      }
    }
  }
}

/** The transaction may have begun from an older commit than the newest; throwing this aborts it. */
class StaleSnapshot extends Error {}

/** A put that LMDB refused: the entry exists already, or there is no page for it. */
class RefusedPut extends Error {
  constructor(key: unknown) {
    super(`LMDB does not take the entry ${JSON.stringify(key)}`);
  }
}

function bytesOf(stats: TableStats): number {
  const { pageSize, treeBranchPageCount, treeLeafPageCount, overflowPages } = stats;
  return pageSize * (treeBranchPageCount + treeLeafPageCount + overflowPages);
}

function put<K, V>(
  table: Database<K, V>,
  key: K,
  value: V,
  flags: { append?: boolean; noOverwrite?: boolean },
): void {
  if (!table.putSync(key, value, flags)) throw new RefusedPut(key);
}
