/**
 * The log's tables in LMDB's file, for readers in other processes. A record that cannot be read has no bytes.
 * A head that cannot be read is left out. `damage` names both.
 */
import type { IndexEntry, StreamEntry } from "../eventStore.ts";
import {
  BATCH_ENTRIES,
  MAX_NAME_BYTES,
  RecordBatch,
  type RecordTable,
  type TakeRecord,
} from "../recordTable.ts";
import {
  type HeadValue,
  headValue,
  isHead,
  keyBytes,
  MAX_POSITION,
  MAX_SEQ,
  nameValue,
  positionKey,
  positionValue,
  sequenceKey,
} from "./lmdbCodecs.ts";
import { PageDefect, type Tree } from "./pages.ts";
import type { Entry, Gap, Snapshot } from "./snapshot.ts";
import type { SnapshotReader } from "./snapshotReader.ts";

/** Heads in a batch. The number is large, because each batch may read every page of the index. */
const BATCH_HEADS = 1 << 14;
/** The bytes of a record that cannot be read. */
const NO_BYTES = Buffer.alloc(0);
/**
 * Every record is longer than this. So the file's size bounds the number of events in a stream, and a head
 * that claims more is damaged.
 */
const MIN_RECORD_BYTES = 128;

export class FileTable implements RecordTable {
  readonly #reader: SnapshotReader;

  constructor(reader: SnapshotReader) {
    this.#reader = reader;
  }

  get damage(): ReadonlySet<string> {
    return this.#reader.damage;
  }

  head(stream: string): StreamEntry | undefined {
    const key = Buffer.from(stream);
    if (key.length === 0 || key.length > MAX_NAME_BYTES) return undefined;
    return this.#reader.read((snapshot) => {
      const value = snapshot.get(snapshot.table("heads"), key);
      if (value === undefined) return undefined;
      const head = headOf(value, snapshot);
      noteWrongEnd(head, snapshot);
      return { stream, ...head };
    });
  }

  heads(after: string | undefined, prefix: string): StreamEntry[] {
    const from = Buffer.from(after ?? prefix);
    return this.#reader.read((snapshot) => {
      const found: StreamEntry[] = [];
      const tree = snapshot.table("heads");
      if (tree === undefined) return found;
      for (const leaf of snapshot.leaves(tree, from)) {
        if (!("page" in leaf)) continue;
        const { page, first } = leaf;
        for (let at = first; at < page.length; at++) {
          const stream = page.text(at);
          if (!stream.startsWith(prefix) || found.length === BATCH_HEADS) return found;
          if (stream === after) continue;
          try {
            found.push({ stream, ...headOf(snapshot.bytesAt({ page, at }), snapshot) });
          } catch (thrown) {
            snapshot.skip(thrown);
          }
        }
      }
      return found;
    });
  }

  openHeads(): StreamEntry[] | undefined {
    return this.#reader.read((snapshot) => {
      try {
        return Array.from(entriesOf(snapshot, "open", positionBytes(0)), (entry) => {
          if (isGap(entry)) throw new PageDefect("the list of open streams cannot be read");
          const stream = nameValue.decode(snapshot.bytesAt(entry));
          const value = snapshot.get(snapshot.table("heads"), Buffer.from(stream));
          if (value === undefined)
            throw new PageDefect(`there is no head of ${stream}, which is listed as open`);
          return { stream, ...headOf(value, snapshot) };
        });
      } catch (thrown) {
        snapshot.skip(thrown);
        return undefined;
      }
    });
  }

  lastPosition(): number {
    return this.#reader.read(lastPositionOf);
  }

  recordsFrom<T>(from: number, take: TakeRecord<T>): T[] {
    return this.#reader.read((snapshot) => {
      const batch = new RecordBatch(take);
      for (const entry of entriesOf(snapshot, "records", positionBytes(from), true)) {
        if (isGap(entry)) {
          // The number of records in the gap is unknown, so one record stands for all, at the gap's
          // beginning.
          const begin = entry.from === undefined ? 1 : positionOf(entry.from);
          if (begin >= from) batch.add(NO_BYTES, begin);
          continue;
        }
        const position = entry.page.keyAs(entry.at, positionKey);
        const isFull = batch.add(
          bytesOr(NO_BYTES, snapshot, () => snapshot.bytesAt(entry)),
          position,
        );
        // The batch ends only after a record, never after a gap: the next batch begins after the position of
        // the last record.
        if (isFull) break;
      }
      return batch.items;
    });
  }

  recordsOf<T>({ firstPosition }: Pick<StreamEntry, "firstPosition">, seq: number, take: TakeRecord<T>): T[] {
    return this.#reader.read((snapshot) => {
      const records = snapshot.table("records");
      const batch = new RecordBatch(take);
      let expected = seq;
      for (const { firstPosition: first, seq: found, position } of indexFrom(snapshot, firstPosition, seq)) {
        if (first !== firstPosition) break;
        // Events whose positions the index lacks have no bytes, either.
        for (; expected < found; expected++) if (batch.add(NO_BYTES, 0)) return batch.items;
        const value = () => required(snapshot.get(records, positionBytes(position)), position);
        if (batch.add(bytesOr(NO_BYTES, snapshot, value), position)) break;
        expected = found + 1;
      }
      return batch.items;
    });
  }

  lastPositions(streams: readonly StreamEntry[]): number[] {
    return this.#reader.read((snapshot) => {
      const index = snapshot.table("positions");
      return streams.map(({ firstPosition, version }) => {
        try {
          const last = keyBytes(sequenceKey, [firstPosition, Math.min(version, MAX_SEQ)]);
          const position = snapshot.get(index, last);
          return position === undefined ? 0 : positionValue.decode(position);
        } catch (thrown) {
          snapshot.skip(thrown);
          return 0;
        }
      });
    });
  }

  indexFrom(firstPosition: number, seq: number): IndexEntry[] {
    return this.#reader.read((snapshot) => {
      const found: IndexEntry[] = [];
      for (const entry of indexFrom(snapshot, firstPosition, seq, true)) {
        if (found.push(entry) === BATCH_ENTRIES) break;
      }
      return found;
    });
  }

  async close(): Promise<void> {
    this.#reader.close();
  }
}

/** The index from an event of a stream on, as far as it can be read. */
function* indexFrom(
  snapshot: Snapshot,
  firstPosition: number,
  from: number,
  isScan = false,
): Iterable<IndexEntry> {
  const begin = keyBytes(sequenceKey, [firstPosition, Math.min(from, MAX_SEQ)]);
  for (const entry of entriesOf(snapshot, "positions", begin, isScan)) {
    if (isGap(entry)) continue;
    const [first, seq] = entry.page.keyAs(entry.at, sequenceKey);
    try {
      yield { firstPosition: first, seq, position: positionValue.decode(snapshot.bytesAt(entry)) };
    } catch (thrown) {
      snapshot.skip(thrown);
    }
  }
}

function lastPositionOf(snapshot: Snapshot): number {
  const records = snapshot.table("records");
  const key = records && snapshot.lastKey(records);
  return key === undefined ? 0 : positionOf(key);
}

function entriesOf(
  snapshot: Snapshot,
  table: "heads" | "open" | "positions" | "records",
  from: Buffer,
  isScan = false,
) {
  const tree: Tree | undefined = snapshot.table(table);
  return tree === undefined ? [] : snapshot.entries(tree, from, isScan);
}

function isGap(entry: Gap | Entry): entry is Gap {
  return !("page" in entry);
}

function bytesOr(otherwise: Buffer, snapshot: Snapshot, value: () => Buffer): Buffer {
  try {
    return value();
  } catch (thrown) {
    snapshot.skip(thrown);
    return otherwise;
  }
}

function required(bytes: Buffer | undefined, position: number): Buffer {
  if (bytes === undefined) throw new PageDefect(`there is no event at position ${position}`);
  return bytes;
}

function headOf(value: Buffer, snapshot: Snapshot): HeadValue {
  if (!isHead(value)) throw new PageDefect("the head of a stream is malformed");
  const head = headValue.decode(value);
  if (head.version > snapshot.bytes / MIN_RECORD_BYTES) {
    throw new PageDefect(`a stream has ${head.version} events, which is more than the log can have`);
  }
  return head;
}

/** Notes a head whose end differs from the index. That is no error: the stream's events can still be read. */
function noteWrongEnd(head: HeadValue, snapshot: Snapshot): void {
  try {
    checkEnd(head, snapshot);
  } catch (thrown) {
    snapshot.skip(thrown);
  }
}

/** @throws PageDefect if the stream has another end in the index than in its head */
function checkEnd({ firstPosition, version }: HeadValue, snapshot: Snapshot): void {
  const index = snapshot.table("positions");
  // Searches for the key after the last event's key. An intact index does not have this key, and the key
  // before it belongs to the last event.
  const next = keyBytes(sequenceKey, [firstPosition, Math.min(version + 1, MAX_SEQ)]);
  const found = snapshot.keyAtOrBefore(index, next);
  if (found !== undefined) {
    const [first, last] = sequenceKey.readKey(found, 0, found.length);
    if (found.length === next.length && first === firstPosition && last === version) return;
  }
  throw new PageDefect(
    `the stream that begins at position ${firstPosition} does not end with event ${version}`,
  );
}

function positionOf(key: Buffer): number {
  return positionKey.readKey(key, 0, key.length);
}

function positionBytes(position: number): Buffer {
  return keyBytes(positionKey, Math.min(position, MAX_POSITION));
}
