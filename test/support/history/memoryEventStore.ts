/** The event log in memory. */
import { DriverError } from "../../../src/base/errors.ts";
import type { EventStore, IndexEntry, StreamEntry } from "../../../src/store/eventStore.ts";
import { LogStore } from "../../../src/store/logStore.ts";
import {
  BATCH_BYTES,
  BATCH_RECORDS,
  type RecordWriter,
  type TakeRecord,
  type WritableTable,
} from "../../../src/store/recordTable.ts";

/** An empty log in memory. It is never on a disk, so `flushed` resolves at once. */
export function memoryEventStore(): EventStore {
  return new LogStore(new MemoryTable(), () => []);
}

export interface RefusingStore extends EventStore {
  /** Number of attempted appends. */
  readonly appends: number;
  /** While true, every append is refused. */
  full: boolean;
}

/** An empty log in memory that can refuse appends, as on a full disk. */
export function refusingStore(): RefusingStore {
  const store = memoryEventStore() as EventStore & { appends: number; full: boolean };
  const append = store.append.bind(store);
  store.appends = 0;
  store.full = false;
  store.append = async (...request) => {
    store.appends += 1;
    if (store.full) throw new DriverError("STORE_FAILED", "no space left on device");
    return append(...request);
  };
  return store;
}

export class MemoryTable implements WritableTable {
  /** Index: position - 1; undefined for a removed record. */
  readonly #records: (Buffer | undefined)[] = [];
  /** Positions of a stream's records by its first position; index: seq - 1. */
  readonly #positions = new Map<number, number[]>();
  readonly #heads = new Map<string, StreamEntry>();
  #bytes = 0;
  #pruned: number | undefined;
  readonly #open = new Set<string>();

  head(stream: string): StreamEntry | undefined {
    return this.#heads.get(stream);
  }

  heads(after: string | undefined, prefix: string): StreamEntry[] {
    const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));
    return [...this.#heads.values()]
      .filter(
        ({ stream }) => stream.startsWith(prefix) && (after === undefined || byBytes(stream, after) > 0),
      )
      .sort((a, b) => byBytes(a.stream, b.stream));
  }

  lastPosition(): number {
    return this.#records.length;
  }

  recordsFrom<T>(from: number, take: TakeRecord<T>): T[] {
    const positions: number[] = [];
    for (let at = from; at <= this.#records.length && positions.length < BATCH_RECORDS; at++) {
      if (this.#records[at - 1] !== undefined) positions.push(at);
    }
    return this.#batch(positions, take);
  }

  firstPositions(after: number): number[] {
    return [...this.#positions.keys()].filter((position) => position > after).sort((a, b) => a - b);
  }

  bytes(): number {
    return this.#bytes;
  }

  openHeads(): StreamEntry[] {
    return [...this.#open].flatMap((stream) => this.#heads.get(stream) ?? []);
  }

  pruned(): number | undefined {
    return this.#pruned;
  }

  indexFrom(firstPosition: number, seq: number): IndexEntry[] {
    return [...this.#positions]
      .toSorted(([a], [b]) => a - b)
      .flatMap(([first, positions]) =>
        positions.map((position, index) => ({ firstPosition: first, seq: index + 1, position })),
      )
      .filter(
        (entry) =>
          entry.firstPosition > firstPosition || (entry.firstPosition === firstPosition && entry.seq >= seq),
      )
      .slice(0, BATCH_RECORDS);
  }

  recordsOf<T>({ firstPosition }: Pick<StreamEntry, "firstPosition">, seq: number, take: TakeRecord<T>): T[] {
    const positions = this.#positions.get(firstPosition) ?? [];
    return this.#batch(positions.slice(seq - 1, seq - 1 + BATCH_RECORDS), take);
  }

  lastPositions(streams: readonly StreamEntry[]): number[] {
    return streams.map(
      ({ firstPosition, version }) => this.#positions.get(firstPosition)?.[version - 1] ?? 0,
    );
  }

  write<T>(_bytes: number, action: (writer: RecordWriter) => T): T {
    const undo: (() => void)[] = [];
    const writer: RecordWriter = {
      putRecord: (firstPosition, _seq, _position, bytes) => {
        const positions = this.#positions.get(firstPosition) ?? [];
        this.#positions.set(firstPosition, positions);
        positions.push(this.#records.push(Buffer.from(bytes)));
        this.#bytes += bytes.length;
        undo.push(() => {
          this.#bytes -= bytes.length;
          this.#records.pop();
          positions.pop();
        });
      },
      putHead: (head) => {
        const before = this.#heads.get(head.stream);
        this.#heads.set(head.stream, head);
        undo.push(() => {
          if (before === undefined) this.#heads.delete(head.stream);
          else this.#heads.set(head.stream, before);
        });
      },
      // Nothing can fail after these steps, so they need no undo.
      removeHead: (stream) => void this.#heads.delete(stream),
      removeRecords: (firstPosition) => {
        for (const position of this.#positions.get(firstPosition) ?? []) {
          this.#bytes -= this.#records[position - 1]?.length ?? 0;
          this.#records[position - 1] = undefined;
        }
        this.#positions.delete(firstPosition);
        return false;
      },
      markPruned: (firstPosition) => {
        this.#pruned = firstPosition;
      },
      listOpen: ({ stream }, isOpen) => void (isOpen ? this.#open.add(stream) : this.#open.delete(stream)),
    };
    try {
      return action(writer);
    } catch (thrown) {
      for (const step of undo.reverse()) step();
      throw thrown;
    }
  }

  async flushed(): Promise<void> {}

  async close(): Promise<void> {}

  #batch<T>(positions: readonly number[], take: TakeRecord<T>): T[] {
    const batch: T[] = [];
    let bytes = 0;
    for (const position of positions) {
      const record = this.#records[position - 1] as Buffer;
      batch.push(take(record, position));
      bytes += record.length;
      if (bytes > BATCH_BYTES) break;
    }
    return batch;
  }
}
