/** Presents a fixed list of records in memory as a log. */
import { partitionPoint } from "../base/partitionPoint.ts";
import type { EventReader, StreamEntry, StreamHead } from "./eventStore.ts";
import { LogReader } from "./logReader.ts";
import { BATCH_RECORDS, type RecordTable, type TakeRecord } from "./recordTable.ts";
import type { UsageSample } from "./usage/usageSample.ts";

/** A record and its place in the log. Readers check that the record's bytes name the same place. */
export interface PlacedRecord {
  readonly stream: string;
  readonly seq: number;
  readonly position: number;
  readonly bytes: Buffer;
}

/**
 * @param heads of all streams
 * @param records of those streams; each stream's records in the order of their sequence numbers
 * @param usage usage samples of the tasks, by stream name
 */
export function readerOf(
  heads: readonly StreamHead[],
  records: readonly PlacedRecord[],
  usage: ReadonlyMap<string, readonly UsageSample[]> = new Map(),
): EventReader {
  return new LogReader(new RecordList(heads, records), (stream) => usage.get(stream) ?? []);
}

class RecordList implements RecordTable {
  readonly #heads: readonly StreamEntry[];
  readonly #byName: ReadonlyMap<string, StreamEntry>;
  readonly #byPosition: readonly PlacedRecord[];
  readonly #byStream: ReadonlyMap<string, readonly PlacedRecord[]>;

  constructor(heads: readonly StreamHead[], records: readonly PlacedRecord[]) {
    const byStream = new Map<string, PlacedRecord[]>(heads.map(({ stream }) => [stream, []]));
    for (const record of records) byStream.get(record.stream)?.push(record);
    this.#byStream = byStream;
    this.#byPosition = records.toSorted((a, b) => a.position - b.position);
    this.#heads = heads
      .map((head) => ({
        ...head,
        firstPosition: this.#recordsOf(head.stream)[0]?.position ?? 0,
        state: undefined,
      }))
      .sort((a, b) => compare(a.stream, b.stream));
    this.#byName = new Map(this.#heads.map((head) => [head.stream, head]));
  }

  head(stream: string): StreamEntry | undefined {
    return this.#byName.get(stream);
  }

  heads(after: string | undefined): StreamEntry[] {
    return this.#heads.filter(({ stream }) => after === undefined || compare(stream, after) > 0);
  }

  lastPosition(): number {
    return this.#byPosition.at(-1)?.position ?? 0;
  }

  recordsFrom<T>(from: number, take: TakeRecord<T>): T[] {
    const records = this.#byPosition;
    const first = partitionPoint(0, records.length, (index) => (records[index]?.position ?? 0) < from);
    return batch(records, first, take);
  }

  recordsOf<T>({ stream }: StreamEntry, seq: number, take: TakeRecord<T>): T[] {
    return batch(this.#recordsOf(stream), seq - 1, take);
  }

  lastPositions(streams: readonly StreamEntry[]): number[] {
    return streams.map(({ stream, version }) => this.#recordsOf(stream)[version - 1]?.position ?? 0);
  }

  async close(): Promise<void> {}

  #recordsOf(stream: string): readonly PlacedRecord[] {
    return this.#byStream.get(stream) ?? [];
  }
}

function batch<T>(records: readonly PlacedRecord[], start: number, take: TakeRecord<T>): T[] {
  return records.slice(start, start + BATCH_RECORDS).map(({ bytes, position }) => take(bytes, position));
}

function compare(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
