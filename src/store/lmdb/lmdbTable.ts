/** The log's tables in LMDB, for reading. */

import type { StreamEntry } from "../eventStore.ts";
import {
  BATCH_ENTRIES,
  BATCH_RECORDS,
  type IndexEntry,
  MAX_NAME_BYTES,
  RecordBatch,
  type RecordTable,
  type TakeRecord,
} from "../recordTable.ts";
import { storeError } from "../storeError.ts";
import { MAX_SEQ, type SequenceKey } from "./lmdbCodecs.ts";
import type { LmdbEnvironment } from "./lmdbEnvironment.ts";

export class LmdbTable implements RecordTable {
  protected readonly lmdb: LmdbEnvironment;
  protected readonly folder: string;

  constructor(lmdb: LmdbEnvironment, folder: string) {
    this.lmdb = lmdb;
    this.folder = folder;
  }

  head(stream: string): StreamEntry | undefined {
    const key = Buffer.from(stream);
    if (key.length === 0 || key.length > MAX_NAME_BYTES) return undefined;
    return this.reading(({ heads }) => {
      const head = heads.get(key);
      return head && { stream, ...head };
    });
  }

  heads(after: string | undefined, prefix: string): StreamEntry[] {
    const start = Buffer.from(after ?? (prefix || "\0"));
    // Greater than every byte of UTF-8.
    const end = Buffer.concat([Buffer.from(prefix), Buffer.from([0xff])]);
    const range = { start, exclusiveStart: after !== undefined, end, limit: BATCH_ENTRIES };
    return this.reading(({ heads }) =>
      Array.from(heads.getRange(range), ({ key, value }) => ({ stream: String(key), ...value })),
    );
  }

  openHeads(): StreamEntry[] | undefined {
    return this.reading((lmdb) => {
      if ((lmdb.listed.get() ?? 0) !== lastPositionOf(lmdb)) return undefined;
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
    return this.reading(lastPositionOf);
  }

  recordsFrom<T>(from: number, take: TakeRecord<T>): T[] {
    return this.reading(({ records }) => {
      const batch = new RecordBatch(take);
      for (const { key, value } of records.getRange({ start: from, limit: BATCH_RECORDS })) {
        if (batch.add(value, key)) break;
      }
      return batch.items;
    });
  }

  recordsOf<T>({ firstPosition }: Pick<StreamEntry, "firstPosition">, seq: number, take: TakeRecord<T>): T[] {
    return this.reading(({ records, positions }) => {
      const batch = new RecordBatch(take);
      const end: SequenceKey = [firstPosition, MAX_SEQ];
      // Reads all positions first, because a value is valid only until the next read.
      for (const { value } of [
        ...positions.getRange({ start: [firstPosition, seq], end, limit: BATCH_RECORDS }),
      ]) {
        const bytes = records.get(value);
        if (bytes === undefined || batch.add(bytes, value)) break;
      }
      return batch.items;
    });
  }

  lastPositions(streams: readonly StreamEntry[]): number[] {
    return this.reading(({ positions }) =>
      streams.map(({ firstPosition, version }) => positions.get([firstPosition, version]) ?? 0),
    );
  }

  positionsOf({ firstPosition }: Pick<StreamEntry, "firstPosition">, seq: number): IndexEntry[] {
    return this.reading(({ positions }) => {
      const range = {
        start: [firstPosition, seq],
        end: [firstPosition, MAX_SEQ],
        limit: BATCH_RECORDS,
      } as const;
      return Array.from(positions.getRange(range), ({ key, value }) => ({ seq: key[1], position: value }));
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
      // Another process may have written since the last read.
      this.lmdb.resetReadTxn();
      return action(this.lmdb);
    } catch (thrown) {
      throw this.failed(thrown, "read");
    }
  }
}

function lastPositionOf({ records }: LmdbEnvironment): number {
  const [newest] = records.getKeys({ reverse: true, end: 0, limit: 1 });
  return newest ?? 0;
}
