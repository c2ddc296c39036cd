/** The reading side of the event log, over any table of records. */
import { DriverError } from "../base/errors.ts";
import { isOver } from "../machines/taskMachine.ts";
import { isDefect, readRecord } from "./eventRecord.ts";
import type { EventBatch, EventReader, IndexEntry, StoredEvent, StreamEntry } from "./eventStore.ts";
import type { RecordTable, TakeRecord } from "./recordTable.ts";
import type { UsageSample } from "./usage/usageSample.ts";

/** Maximum number of damaged entries to name. Further entries are only counted. */
const MAX_NAMED = 20;

/** Finds the usage samples of a stream's task, in chronological order. */
export type UsageOf = (stream: string) => readonly UsageSample[];

export class LogReader implements EventReader {
  readonly #table: RecordTable;
  readonly #usageOf: UsageOf;
  readonly #damage = new Set<string>();
  #closed: Promise<void> | undefined;

  constructor(table: RecordTable, usageOf: UsageOf) {
    this.#table = table;
    this.#usageOf = usageOf;
  }

  *readStream(stream: string, from = 1, unread?: string): Iterable<StoredEvent> {
    const head = this.#openTable.head(stream);
    let seq = from;
    const take = (bytes: Buffer, position: number) => intactEvent(bytes, position, unread);
    for (const event of this.#recordsOf(head, from, take)) {
      if (event.stream !== stream || event.seq !== seq) {
        if (head === undefined || this.#isPruned(head)) return;
        throw misplaced(stream, seq, event);
      }
      seq += 1;
      yield event;
    }
    if (head !== undefined && seq <= head.version && !this.#isPruned(head)) throw missing(stream, seq);
  }

  *readRecords(stream: string, from = 1): Iterable<Buffer> {
    yield* this.#recordsOf(this.#openTable.head(stream), from, (bytes) => Buffer.from(bytes));
  }

  lastPositions(streams: readonly StreamEntry[]): readonly number[] {
    return this.#openTable.lastPositions(streams);
  }

  index(from = 0): Iterable<IndexEntry> | undefined {
    return this.#openTable.indexFrom === undefined ? undefined : this.#index(from);
  }

  readAll(from = 1): Iterable<StoredEvent> {
    return this.#recordsFrom(from, (bytes, position) => intactEvent(bytes, position));
  }

  *readIntact(from = 1): Iterable<StoredEvent> {
    for (const event of this.#recordsFrom(from, (bytes, position) => this.#intactOrNoted(bytes, position))) {
      if (event !== undefined) yield event;
    }
  }

  batchFrom(position: number): EventBatch {
    let next = position;
    const events = this.#openTable.recordsFrom(position, (bytes, at) => {
      next = at + 1;
      return this.#intactOrNoted(bytes, at);
    });
    return { events: events.filter((event) => event !== undefined), next };
  }

  scanRecords<T>(take: TakeRecord<T>, from = 1): Iterable<T> {
    return this.#recordsFrom(from, take);
  }

  usage(stream: string): readonly UsageSample[] {
    return this.#usageOf(stream);
  }

  version(stream: string): number {
    return this.#openTable.head(stream)?.version ?? 0;
  }

  *streams(prefix = ""): Iterable<StreamEntry> {
    let after: string | undefined;
    for (;;) {
      const heads = this.#openTable.heads(after, prefix);
      if (heads.length === 0) return;
      yield* heads;
      after = heads.at(-1)?.stream;
    }
  }

  *openStreams(): Iterable<StreamEntry> {
    for (const head of this.#openTable.openHeads?.() ?? this.streams()) if (isOpen(head)) yield head;
  }

  lastPosition(): number {
    return this.#openTable.lastPosition();
  }

  get damage(): readonly string[] {
    const all = [...(this.#table.damage ?? []), ...this.#damage];
    const more = all.length - MAX_NAMED;
    return more > 0 ? [...all.slice(0, MAX_NAMED), `${more} more are damaged`] : all;
  }

  noteDamage(text: string): void {
    this.#damage.add(text);
  }

  close(): Promise<void> {
    this.#closed ??= this.#table.close();
    return this.#closed;
  }

  /** Throws once the log is closed, because a closed LMDB environment must never be used. */
  get #openTable(): RecordTable {
    if (this.#closed !== undefined) throw new DriverError("STORE_FAILED", "the event log is closed");
    return this.#table;
  }

  /** Reads up to the log's last position at the start of the call. */
  *#recordsFrom<T>(from: number, take: TakeRecord<T>): Iterable<T> {
    const last = this.lastPosition();
    let next = from;
    while (next <= last) {
      let newest = last;
      const batch = this.#openTable.recordsFrom(next, (bytes, position) => {
        newest = position;
        return { position, taken: take(bytes, position) };
      });
      for (const { position, taken } of batch) {
        if (position > last) return;
        yield taken;
      }
      next = newest + 1;
    }
  }

  *#index(from: number): Iterable<IndexEntry> {
    let [firstPosition, seq] = [from, 0];
    for (;;) {
      const batch = this.#openTable.indexFrom?.(firstPosition, seq) ?? [];
      const last = batch.at(-1);
      if (last === undefined) return;
      yield* batch;
      firstPosition = last.firstPosition;
      seq = last.seq + 1;
    }
  }

  #intactOrNoted(bytes: Buffer, position: number): StoredEvent | undefined {
    const read = readRecord(bytes);
    if (!isDefect(read) && read.event.position === position) return read.event;
    this.noteDamage(`the event at position ${position} is not as it was stored`);
    return undefined;
  }

  /** Whether a stream was removed while it was being read. */
  #isPruned({ stream, firstPosition }: StreamEntry): boolean {
    return this.#openTable.head(stream)?.firstPosition !== firstPosition;
  }

  /** Reads up to the stream's end as of `head`, or to its last existing record. */
  *#recordsOf<T>(head: StreamEntry | undefined, from: number, take: TakeRecord<T>): Iterable<T> {
    if (head === undefined) return;
    let next = from;
    while (next <= head.version) {
      const batch = this.#openTable.recordsOf(head, next, take);
      if (batch.length === 0) return;
      yield* batch.slice(0, head.version - next + 1);
      next += batch.length;
    }
  }
}

/** False if the stream's task is certainly over. */
export function isOpen({ state }: StreamEntry): boolean {
  return state === undefined || !isOver(state);
}

function intactEvent(bytes: Buffer, position: number, unread?: string): StoredEvent {
  const read = readRecord(bytes, { unread });
  if (isDefect(read)) throw damaged(position, `${read.kind} ${read.found}, expected ${read.expected}`);
  if (read.event.position !== position) throw damaged(position, `it names position ${read.event.position}`);
  return read.event;
}

function damaged(position: number, how: string): DriverError {
  return new DriverError("STORE_DAMAGED", `the event at position ${position} of the log is damaged: ${how}`, {
    hint: "Events before and after it can still be read",
  });
}

function misplaced(stream: string, seq: number, found: StoredEvent): DriverError {
  const summary = `event ${seq} of stream ${stream} is missing: number ${found.seq} of ${found.stream} is in its place`;
  return new DriverError("STORE_DAMAGED", summary);
}

function missing(stream: string, seq: number): DriverError {
  return new DriverError("STORE_DAMAGED", `event ${seq} of stream ${stream} is missing from the log`);
}
