/** The log's tables in LMDB. */
import type { BackgroundFlush } from "./backgroundFlush.ts";
import { requireRoom } from "./diskRoom.ts";
import { type HeadValue, MAX_SEQ, type SequenceKey } from "./lmdbCodecs.ts";
import type { NewestCommit } from "./newestCommit.ts";
import {
  BATCH_BYTES,
  BATCH_RECORDS,
  MAX_NAME_BYTES,
  type RecordTable,
  type RecordWriter,
  type TableHead,
  type TakeRecord,
  type WritableTable,
} from "./recordTable.ts";
import { storeError } from "./storeError.ts";

/** `ABORTABLE | SYNCHRONOUS_COMMIT | NO_SYNC_FLUSH` of lmdb's TransactionFlags, which it exports as a type only. */
const COMMIT_WITHOUT_FLUSH = 0x1_0003;

/** What is used of lmdb's databases. */
interface Database<K, V> {
  get(key: K): V | undefined;
  getKeys(range: Range<K>): Iterable<K>;
  getRange(range: Range<K>): Iterable<{ readonly key: K; readonly value: V }>;
  /** False where a flag forbids the put. */
  putSync(key: K, value: V, flags: { readonly append?: boolean; readonly noOverwrite?: boolean }): boolean;
}

interface Range<K> {
  readonly start?: K;
  readonly end?: K;
  readonly exclusiveStart?: boolean;
  readonly reverse?: boolean;
  readonly limit: number;
}

export interface LmdbEnvironment {
  /** Records by their position. */
  readonly records: Database<number, Buffer>;
  /** Positions of a stream's events. */
  readonly positions: Database<SequenceKey, number>;
  /** Heads by their stream's name in UTF-8. */
  readonly heads: Database<Buffer, HeadValue>;
  /** Lets go of the snapshot that reads of this turn of the event loop share. */
  resetReadTxn(): void;
  /** A throw in `action` aborts; a promise from it would keep the transaction open. */
  transactionSync<T>(action: () => T, flags: number): T;
  close(): Promise<void>;
}

export class LmdbTable implements RecordTable {
  protected readonly lmdb: LmdbEnvironment;
  protected readonly folder: string;

  constructor(lmdb: LmdbEnvironment, folder: string) {
    this.lmdb = lmdb;
    this.folder = folder;
  }

  head(stream: string): TableHead | undefined {
    const key = Buffer.from(stream);
    if (key.length === 0 || key.length > MAX_NAME_BYTES) return undefined;
    return this.reading(({ heads }) => {
      const head = heads.get(key);
      return head && { stream, ...head };
    });
  }

  heads(after: string | undefined): TableHead[] {
    const start = Buffer.from(after ?? "\0");
    const range = { start, exclusiveStart: after !== undefined, limit: BATCH_RECORDS };
    return this.reading(({ heads }) =>
      Array.from(heads.getRange(range), ({ key, value }) => ({
        stream: Buffer.from(key).toString(),
        ...value,
      })),
    );
  }

  lastPosition(): number {
    return this.reading(({ records }) => {
      const [newest] = records.getKeys({ reverse: true, end: 0, limit: 1 });
      return newest ?? 0;
    });
  }

  recordsFrom<T>(from: number, take: TakeRecord<T>): T[] {
    return this.reading(({ records }) => {
      const batch = new Batch(take);
      for (const { key, value } of records.getRange({ start: from, limit: BATCH_RECORDS })) {
        if (batch.add(value, key)) break;
      }
      return batch.items;
    });
  }

  recordsOf<T>({ firstPosition }: TableHead, seq: number, take: TakeRecord<T>): T[] {
    return this.reading(({ records, positions }) => {
      const batch = new Batch(take);
      const end: SequenceKey = [firstPosition, MAX_SEQ];
      // Positions first: a value holds still only until the next read.
      for (const { value } of [
        ...positions.getRange({ start: [firstPosition, seq], end, limit: BATCH_RECORDS }),
      ]) {
        const bytes = records.get(value);
        if (bytes === undefined || batch.add(bytes, value)) break;
      }
      return batch.items;
    });
  }

  async close(): Promise<void> {
    await this.lmdb.close();
  }

  protected failed(thrown: unknown, call: string): Error {
    return storeError(thrown, call, this.folder);
  }

  protected reading<T>(action: (lmdb: LmdbEnvironment) => T): T {
    try {
      // Another process may have written since the last look.
      this.lmdb.resetReadTxn();
      return action(this.lmdb);
    } catch (thrown) {
      throw this.failed(thrown, "read");
    }
  }
}

export class WritableLmdbTable extends LmdbTable implements WritableTable {
  readonly #flush: BackgroundFlush;
  readonly #newest: NewestCommit;
  readonly #writer: RecordWriter = {
    putRecord: (firstPosition, seq, position, bytes) => {
      put(this.lmdb.records, position, bytes, { append: true });
      put(this.lmdb.positions, [firstPosition, seq], position, { noOverwrite: true });
    },
    putHead: ({ stream, ...head }) => put(this.lmdb.heads, Buffer.from(stream), head, {}),
  };

  constructor(lmdb: LmdbEnvironment, folder: string, flush: BackgroundFlush, newest: NewestCommit) {
    super(lmdb, folder);
    this.#flush = flush;
    this.#newest = newest;
  }

  write<T>(bytes: number, action: (writer: RecordWriter) => T): T {
    try {
      requireRoom(this.folder, bytes);
      const result = this.#onNewest(() =>
        this.lmdb.transactionSync(() => {
          if (!this.#newest.isTold()) throw new OutOfDate();
          return action(this.#writer);
        }, COMMIT_WITHOUT_FLUSH),
      );
      this.#flush.committed();
      return result;
    } catch (thrown) {
      throw this.failed(thrown, "commit");
    }
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
    }
  }

  protected override reading<T>(action: (lmdb: LmdbEnvironment) => T): T {
    return this.#onNewest(() => {
      const result = super.reading(action);
      if (!this.#newest.isTold()) throw new OutOfDate();
      return result;
    });
  }

  /** Again, if a process that opened the log has hidden the newest commit (newestCommit.ts); a transaction is aborted then. */
  #onNewest<T>(attempt: () => T): T {
    for (;;) {
      try {
        return attempt();
      } catch (thrown) {
        if (!(thrown instanceof OutOfDate)) throw thrown;
        this.#newest.tell();
      }
    }
  }
}

/** The transaction may have begun from an older commit than the newest. */
class OutOfDate extends Error {}

class Batch<T> {
  readonly items: T[] = [];
  readonly #take: TakeRecord<T>;
  #bytes = 0;

  constructor(take: TakeRecord<T>) {
    this.#take = take;
  }

  /** Tells whether the batch is full. */
  add(bytes: Buffer, position: number): boolean {
    this.#bytes += bytes.length;
    this.items.push(this.#take(bytes, position));
    return this.#bytes > BATCH_BYTES;
  }
}

function put<K, V>(
  table: Database<K, V>,
  key: K,
  value: V,
  flags: { append?: boolean; noOverwrite?: boolean },
): void {
  if (!table.putSync(key, value, flags)) throw new Error(`an entry exists already: ${JSON.stringify(key)}`);
}
