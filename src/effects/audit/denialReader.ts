/**
 * Reads audit's records of denials as they come, without polling: the kernel sends this process a signal when
 * there is one (fcntl(2), `O_ASYNC`). So nothing waits, no thread and no process, and nothing is paid where
 * nothing is denied. SIGURG is that signal, because a process that does not expect it ignores it.
 *
 * A task can cause denials as fast as it likes. So one turn of the event loop takes some records only, and the
 * next turn comes after a pause that is a multiple of the time that they took. What the kernel cannot queue
 * meanwhile is lost, and counted by it.
 */
import { closeSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { SIGURG } from "../kernel/constants.ts";
import { droppedMessages, setReadSignal, tryReceive } from "../kernel/libc.ts";
import { type AuditRecord, parseRecord } from "./auditRecord.ts";
import { auditStatus, HEADER_BYTES, MESSAGE_BYTES, openRecords } from "./auditSocket.ts";

/** What gets the records. */
export interface RecordSink {
  take(record: AuditRecord): void;
  /** After each turn. `end`: there was nothing left to read, and nothing is under way. */
  turn(now: "turn" | "end"): void;
  /** Whether something waits for a further record. */
  readonly isWaiting: boolean;
  /** The kernel could not queue this many more records for this process, of any task's or a stranger's. */
  dropped(records: number): void;
}

/** Bytes of the kernel's memory for records that wait, some ten thousand denials. It is used only while they wait. */
const queueBytes = { denials: 16 * 2 ** 20, domains: 2 ** 20 } as const;

/** Bounds of one turn of the event loop. */
const turnMs = 2;
const turnRecords = 512;
/**
 * The record of a domain follows that of its first denial, on the other socket. So it is looked for after so many
 * denials: what is held of domains that are nobody's yet is bounded (denialTracker.ts).
 */
const chunkRecords = 64;

/**
 * Pauses between turns, until one finds nothing: then the next record sends a signal again. So the first record is
 * read at once, and reading takes at most a fiftieth of a core.
 */
const minPauseMs = 20;
const pauseFactor = 50;

/** How long a task's end waits for records that are under way. */
const settleMs = 200;

export class DenialReader implements Disposable {
  readonly #sink: RecordSink;
  /**
   * Records of domains have a queue of their own: they tell whose the denials are and how many the kernel counted,
   * also when there were too many for the queue.
   */
  readonly #sockets: Readonly<Record<keyof typeof queueBytes, number>>;
  readonly #buffer = Buffer.alloc(MESSAGE_BYTES);
  readonly #onSignal = () => this.#wake();
  #ends: AuditRecord[] = [];
  #timer: NodeJS.Timeout | undefined;
  #dropped = 0;

  /** @throws DriverError `KERNEL_CALL_FAILED` */
  constructor(sink: RecordSink) {
    using undo = new DisposableStack();
    const open = (kind: keyof typeof queueBytes) =>
      undo.adopt(openRecords(kind, queueBytes[kind]), closeSync);
    this.#sink = sink;
    this.#sockets = { denials: open("denials"), domains: open("domains") };
    process.on("SIGURG", this.#onSignal);
    this.#setSignal(SIGURG);
    undo.move();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    process.off("SIGURG", this.#onSignal);
    for (const each of Object.values(this.#sockets)) closeSync(each);
  }

  /** Reads what has come by now, within the bounds of a turn. */
  readNow(): void {
    this.#read();
    this.#sink.turn("turn");
  }

  /**
   * Resolves once what was denied before has been read, or after {@link settleMs}: then a flood of others' records
   * is in the way.
   */
  async settle(): Promise<void> {
    const until = performance.now() + settleMs;
    // A thread of the kernel sends the records. What it has taken out of its queue arrives at once.
    while ((await auditStatus()).backlog > 0 && performance.now() < until) await delay(1);
    await delay(1);
    while (this.#read() !== "nothing" && performance.now() < until) await delay(turnMs);
    this.#sink.turn("end");
  }

  /** There is a record, or another signal has come than these sockets'. */
  #wake(): void {
    if (this.#timer !== undefined) return;
    // Signals that come while it reads tell nothing new.
    this.#setSignal(undefined);
    this.#turn();
  }

  #turn(): void {
    const begun = performance.now();
    let found = this.#read();
    if (found === "nothing" && !this.#sink.isWaiting) {
      this.#setSignal(SIGURG);
      // A record that came before the signal was set again has sent none.
      found = this.#read();
      if (found === "nothing") {
        this.#timer = undefined;
        return;
      }
      this.#setSignal(undefined);
    }
    this.#sink.turn("turn");
    const pauseMs = Math.max(minPauseMs, pauseFactor * (performance.now() - begun));
    this.#timer = setTimeout(() => this.#turn(), pauseMs).unref();
  }

  /** Reads what there is, within the bounds of a turn. */
  #read(): "nothing" | "something" {
    const until = performance.now() + turnMs;
    for (let count = 0; count < turnRecords; ) {
      const domains = this.#readFrom("domains", turnRecords, until);
      const denials = this.#readFrom("denials", chunkRecords, until);
      count += domains.count + denials.count;
      if (denials.isEmpty) {
        // The count at a domain's end is for the denials that were read before.
        for (const end of this.#ends.splice(0)) this.#sink.take(end);
        return count === 0 && domains.isEmpty ? "nothing" : "something";
      }
      // A turn may be over before it has begun, if this process had to wait for a processor.
      if (performance.now() >= until) break;
    }
    return "something";
  }

  /** @returns how many records were read, and whether no more are left */
  #readFrom(
    kind: keyof typeof queueBytes,
    limit: number,
    until: number,
  ): { readonly count: number; readonly isEmpty: boolean } {
    let count = 0;
    while (count < limit && performance.now() < until) {
      const length = tryReceive(this.#sockets[kind], this.#buffer);
      if (length === undefined) return { count, isEmpty: true };
      count += 1;
      if (typeof length === "number") this.#take(length);
      else this.#countDropped();
    }
    return { count, isEmpty: false };
  }

  #take(length: number): void {
    const text = this.#buffer.toString("latin1", HEADER_BYTES, length);
    const record = parseRecord(this.#buffer.readUInt16LE(4), text);
    if (record?.kind === "domainEnd") this.#ends.push(record);
    else if (record !== undefined) this.#sink.take(record);
  }

  #countDropped(): void {
    const dropped = droppedMessages(this.#sockets.denials);
    this.#sink.dropped(dropped - this.#dropped);
    this.#dropped = dropped;
  }

  #setSignal(signal: number | undefined): void {
    for (const each of Object.values(this.#sockets)) setReadSignal(each, signal);
  }
}
