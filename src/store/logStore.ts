/** The writing side of the event log, over any table of records. */

import { randomFillSync } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { DriverError } from "../base/errors.ts";
import { formatBytes } from "../units/sizes.ts";
import {
  encodeRecord,
  isDefect,
  NO_HASH,
  readRecord,
  SALT_BYTES,
  type SealedData,
  sealData,
} from "./eventRecord.ts";
import type { EventStore, EventToAppend, StoredEvent, StreamEntry, StreamHead } from "./eventStore.ts";
import { isOpen, LogReader, type UsageOf } from "./logReader.ts";
import { MAX_NAME_BYTES, type RecordWriter, type WritableTable } from "./recordTable.ts";
import { WrongExpectedVersion } from "./storeError.ts";

/** Maximum number of appends in a transaction: some 2 ms of work. */
const MAX_GROUP = 256;
/** Maximum number of events to remove in a transaction: some 1 ms of work. */
const MAX_REMOVED = 100;

interface Append {
  readonly stream: string;
  readonly expectedVersion: number;
  readonly events: readonly { readonly event: EventToAppend; readonly sealed: SealedData }[];
  readonly bytes: number;
  readonly resolve: (stored: readonly StoredEvent[]) => void;
  readonly reject: (error: DriverError) => void;
}

export class LogStore extends LogReader implements EventStore {
  readonly #table: WritableTable;
  #pending: Append[] = [];
  #committedInTurn = false;
  #closed = false;
  /**
   * Position of the newest event, which only this process changes. Undefined before the first commit and after one
   * that has failed: to look it up takes a tenth of a commit.
   */
  #newest: number | undefined;

  constructor(table: WritableTable, usageOf: UsageOf) {
    super(table, usageOf);
    this.#table = table;
  }

  async append(
    stream: string,
    expectedVersion: number,
    events: readonly EventToAppend[],
  ): Promise<readonly StoredEvent[]> {
    if (this.#closed) throw new DriverError("STORE_FAILED", "the event log is closed");
    checkName(stream);
    const sealed = events.map((event) => ({ event, sealed: seal(event) }));
    const bytes = sealed.reduce((sum, each) => sum + each.sealed.bytes.length, 0);
    return new Promise((resolve, reject) => {
      this.#pending.push({ stream, expectedVersion, events: sealed, bytes, resolve, reject });
      this.#schedule();
    });
  }

  *streamsByAge(): Iterable<StreamHead> {
    let after = 0;
    for (;;) {
      const positions = this.#table.firstPositions(after);
      if (positions.length === 0) return;
      for (const position of positions) {
        const head = this.#streamStartingAt(position);
        if (head) yield { stream: head.stream, version: head.version, hash: head.hash };
      }
      after = positions.at(-1) as number;
    }
  }

  bytes(): number {
    return this.#table.bytes();
  }

  async prune(stream: string, expectedVersion: number): Promise<boolean> {
    // The log records only one unfinished removal at a time.
    await this.finishPruning();
    const firstPosition = this.#table.write(0, (writer) =>
      this.#removeStream(stream, expectedVersion, writer),
    );
    await this.#removeRecords(firstPosition);
    return firstPosition !== undefined;
  }

  async finishPruning(): Promise<void> {
    if (this.#closed) throw new DriverError("STORE_FAILED", "the event log is closed");
    await this.#removeRecords(this.#table.pruned());
  }

  async flushed(): Promise<void> {
    await this.#table.flushed();
  }

  override close(): Promise<void> {
    while (this.#pending.length > 0) this.#commitGroup();
    this.#closed = true;
    return super.close();
  }

  /**
   * Commits the first append in a turn of the event loop at once, and the others together at the end of the
   * turn.
   */
  #schedule(): void {
    if (this.#committedInTurn) return;
    this.#committedInTurn = true;
    queueMicrotask(() => this.#commitGroup());
    setImmediate(() => {
      this.#committedInTurn = false;
      this.#commitGroup();
    });
  }

  #commitGroup(): void {
    const group = this.#pending.splice(0, MAX_GROUP);
    if (group.length === 0) return;
    if (this.#pending.length > 0) setImmediate(() => this.#commitGroup());
    try {
      const bytes = group.reduce((sum, append) => sum + append.bytes, 0);
      const { outcomes, newest } = this.#table.write(bytes, (writer) => this.#carryOut(group, writer));
      this.#newest = newest;
      group.forEach(({ resolve, reject }, index) => {
        const outcome = outcomes[index] as (typeof outcomes)[number];
        if (outcome instanceof DriverError) reject(outcome);
        else resolve(outcome);
      });
    } catch (thrown) {
      this.#newest = undefined;
      const error = DriverError.from(thrown, "STORE_FAILED", "the event log cannot be written");
      for (const { reject } of group) reject(error);
    }
  }

  /**
   * The stream that starts at a position. Undefined if no stream starts there, or if its first event, which
   * names the stream, is damaged.
   */
  #streamStartingAt(firstPosition: number): StreamEntry | undefined {
    const [name] = this.#table.recordsOf({ firstPosition }, 1, (bytes) => {
      const read = readRecord(bytes);
      return isDefect(read) ? undefined : read.event.stream;
    });
    const head = name === undefined ? undefined : this.#table.head(name);
    return head?.firstPosition === firstPosition ? head : undefined;
  }

  /**
   * @returns the first position of the stream, whose records remain to be removed; undefined if the stream
   *   stays
   */
  #removeStream(stream: string, expectedVersion: number, writer: RecordWriter): number | undefined {
    const head = this.#table.head(stream);
    const version = head?.version ?? 0;
    if (version !== expectedVersion) throw new WrongExpectedVersion(stream, expectedVersion, version);
    if (head === undefined) return undefined;
    const [end] = this.#table.recordsOf(head, version, (_, position) => position);
    if (end === this.#table.lastPosition()) return undefined;
    writer.removeHead(stream);
    writer.listOpen(head, false);
    writer.markPruned(head.firstPosition);
    return head.firstPosition;
  }

  async #removeRecords(firstPosition: number | undefined): Promise<void> {
    if (firstPosition === undefined) return;
    for (let unfinished = true; unfinished && !this.#closed; ) {
      unfinished = this.#table.write(0, (writer) => {
        if (writer.removeRecords(firstPosition, MAX_REMOVED)) return true;
        writer.markPruned(undefined);
        return false;
      });
      if (unfinished) await nextTurn();
    }
  }

  /**
   * Reads each stream's head within the transaction: a head that was read before may be out of date.
   * @returns the position of the newest event, too
   */
  #carryOut(
    group: readonly Append[],
    writer: RecordWriter,
  ): { outcomes: (readonly StoredEvent[] | DriverError)[]; newest: number } {
    let position = this.#newest ?? this.#table.lastPosition();
    const outcomes = group.map(({ stream, expectedVersion, events }) => {
      const head = this.#table.head(stream);
      const version = head?.version ?? 0;
      if (version !== expectedVersion) return new WrongExpectedVersion(stream, expectedVersion, version);
      const firstPosition = head?.firstPosition ?? position + 1;
      let hash = head?.hash ?? NO_HASH;
      let seq = version;
      const stored = events.map(({ event, sealed }) => {
        seq += 1;
        position += 1;
        const record = encodeRecord(event, { stream, seq, position, previousHash: hash }, sealed);
        writer.putRecord(firstPosition, seq, position, record.bytes);
        hash = record.event.hash;
        return record.event;
      });
      const state = stored.at(-1)?.to;
      if (state === undefined) return stored;
      const end = { stream, version: seq, hash, firstPosition, state };
      writer.putHead(end);
      if (isOpen(end) !== (head !== undefined && isOpen(head))) writer.listOpen(end, isOpen(end));
      return stored;
    });
    return { outcomes, newest: position };
  }
}

/**
 * Maximum size of an event's data. A larger event would block the event loop for longer than a whole group of
 * appends.
 */
const MAX_DATA_BYTES = 8 << 20;

/** @throws DriverError `EVENT_INVALID` if the text cannot be a stream's name */
function checkName(stream: string): void {
  const bytes = Buffer.byteLength(stream);
  if (bytes > 0 && bytes <= MAX_NAME_BYTES && stream.isWellFormed()) return;
  throw new DriverError(
    "EVENT_INVALID",
    `not a stream's name: ${JSON.stringify(stream.slice(0, 80))} (${bytes} bytes)`,
    {
      hint: `A name is text of 1 to ${MAX_NAME_BYTES} bytes of UTF-8`,
    },
  );
}

/**
 * Encodes an event's data for storage.
 * @throws DriverError `EVENT_INVALID` for data that cannot be stored
 */
export function seal({ type, data }: EventToAppend): SealedData {
  let sealed: SealedData;
  try {
    sealed = sealData(data, freshSalt());
  } catch (thrown) {
    throw DriverError.from(thrown, "EVENT_INVALID", `data of the event ${type} cannot be stored`);
  }
  if (sealed.bytes.length <= MAX_DATA_BYTES) return sealed;
  throw new DriverError(
    "EVENT_INVALID",
    `the event ${type} has ${formatBytes(sealed.bytes.length)} of data`,
    {
      hint: `An event holds up to ${formatBytes(MAX_DATA_BYTES)}: shorten the task's arguments, or put them into a file`,
    },
  );
}

const salts = Buffer.alloc(256 * SALT_BYTES);
let saltAt = salts.length;

/** Random bytes, fetched for 256 events at once: one system call per event would cost more than its hash. */
function freshSalt(): Uint8Array {
  if (saltAt === salts.length) {
    randomFillSync(salts);
    saltAt = 0;
  }
  saltAt += SALT_BYTES;
  return salts.subarray(saltAt - SALT_BYTES, saltAt);
}
