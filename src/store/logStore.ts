/** The writing side of the event log, over any table of records. */
import { randomFillSync } from "node:crypto";
import { Subject } from "rxjs";
import { DriverError } from "../errors.ts";
import { encodeRecord, NO_HASH, SALT_BYTES, type SealedData, sealData } from "./eventRecord.ts";
import type { EventStore, EventToAppend, StoredEvent } from "./eventStore.ts";
import { LogReader } from "./logReader.ts";
import { MAX_NAME_BYTES, type RecordWriter, type WritableTable } from "./recordTable.ts";
import { WrongExpectedVersion } from "./wrongExpectedVersion.ts";

/** Above this a single event would hold up the event loop for longer than a whole group. */
const MAX_DATA_BYTES = 8 << 20;
/** Appends that share a transaction: some 2 ms of work. */
const MAX_GROUP = 256;

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
  readonly #commits: Subject<void>;
  #waiting: Append[] = [];
  #committedInTurn = false;
  #closed = false;

  constructor(table: WritableTable) {
    const commits = new Subject<void>();
    super(table, commits);
    this.#table = table;
    this.#commits = commits;
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
      this.#waiting.push({ stream, expectedVersion, events: sealed, bytes, resolve, reject });
      this.#schedule();
    });
  }

  async flushed(): Promise<void> {
    await this.#table.flushed();
  }

  override close(): Promise<void> {
    while (this.#waiting.length > 0) this.#commitGroup();
    this.#closed = true;
    return super.close();
  }

  /** The first append of a turn of the event loop is committed at once, those that follow in one transaction at its end. */
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
    const group = this.#waiting.splice(0, MAX_GROUP);
    if (group.length === 0) return;
    if (this.#waiting.length > 0) setImmediate(() => this.#commitGroup());
    try {
      const bytes = group.reduce((sum, append) => sum + append.bytes, 0);
      const outcomes = this.#table.write(bytes, (writer) => this.#carryOut(group, writer));
      group.forEach(({ resolve, reject }, index) => {
        const outcome = outcomes[index] as (typeof outcomes)[number];
        if (outcome instanceof DriverError) reject(outcome);
        else resolve(outcome);
      });
    } catch (thrown) {
      const error = DriverError.from(thrown, "STORE_FAILED", "the event log cannot be written");
      for (const { reject } of group) reject(error);
      return;
    }
    this.#commits.next();
  }

  /** What an append finds out about its stream comes from the transaction itself: nothing is remembered that could be wrong. */
  #carryOut(group: readonly Append[], writer: RecordWriter): (readonly StoredEvent[] | DriverError)[] {
    let position = this.#table.lastPosition();
    return group.map(({ stream, expectedVersion, events }) => {
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
      if (stored.length > 0) writer.putHead({ stream, version: seq, hash, firstPosition });
      return stored;
    });
  }
}

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

function seal({ type, data }: EventToAppend): SealedData {
  let sealed: SealedData;
  try {
    sealed = sealData(data, freshSalt());
  } catch (thrown) {
    throw DriverError.from(thrown, "EVENT_INVALID", `data of the event ${type} cannot be stored`);
  }
  if (sealed.bytes.length <= MAX_DATA_BYTES) return sealed;
  throw new DriverError("EVENT_INVALID", `the event ${type} has ${sealed.bytes.length} bytes of data`, {
    hint: `An event holds up to ${MAX_DATA_BYTES}`,
  });
}

const salts = Buffer.alloc(256 * SALT_BYTES);
let saltAt = salts.length;

/** Random bytes, drawn from the kernel for 256 events at a time: each by itself would cost more than its hash. */
function freshSalt(): Uint8Array {
  if (saltAt === salts.length) {
    randomFillSync(salts);
    saltAt = 0;
  }
  saltAt += SALT_BYTES;
  return salts.subarray(saltAt - SALT_BYTES, saltAt);
}
