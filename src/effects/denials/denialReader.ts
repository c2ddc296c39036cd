/**
 * Reads audit records of denials as they arrive, without polling. When there is a record, the kernel sends
 * this process a signal (fcntl(2), `O_ASYNC`). So no thread and no process has to wait, and there is no cost
 * while nothing is denied. The signal is SIGURG, because a process without a handler ignores it.
 *
 * A task can cause denials at any rate. So one turn of the event loop reads a limited number of records. The
 * next read follows after a pause, a multiple of the turn's duration. The kernel drops and counts the records
 * that it cannot queue meanwhile.
 */
import { closeSync, readFileSync } from "node:fs";
import { setTimeout as delay, setImmediate as nextTurn } from "node:timers/promises";
import { SIGURG } from "../kernel/constants.ts";
import { droppedMessages, setReadSignal, tryReceive } from "../kernel/sockets.ts";
import { type AuditRecord, parseRecord } from "./auditRecord.ts";
import { type AuditStatus, auditStatus, HEADER_BYTES, MESSAGE_BYTES, openRecords } from "./auditSocket.ts";

/** The receiver of the records. */
export interface RecordSink {
  take(record: AuditRecord): void;
  /** Called after each turn. */
  turn(): void;
  /** Whether the sink needs a further record to complete an earlier one. */
  readonly isWaiting: boolean;
  /**
   * Called when the kernel has dropped this many further records. Each may concern any task, or a process
   * outside of all tasks.
   */
  dropped(records: number): void;
}

/**
 * Maximum kernel memory for waiting records, in bytes: enough for some ten thousand denials. The kernel uses
 * it only while records wait.
 */
const queueBytes = { denials: 16 * 2 ** 20, domains: 2 ** 20 } as const;

/** Bounds of a turn of the event loop: its duration, and the number of records that it reads. */
const turnMs = 2;
const turnRecords = 512;
/**
 * The record of a domain follows the record of the domain's first denial, on a socket of its own. A turn
 * reads that socket again after this many denials, because denialTracker.ts holds only a limited number of
 * denials of unknown domains.
 */
const chunkRecords = 64;

/**
 * Pauses between turns. They limit reading to a fiftieth of a core. When a turn finds nothing, the next
 * record sends a signal again, and is read at once.
 */
const minPauseMs = 20;
const pauseFactor = 50;

/** Maximum time for which a task's end waits for records that are under way, on a machine that is busy with others. */
const settleMs = 2_000;

/**
 * Whether the kernel keeps records until an audit daemon asks for them. Without one, it counts what it does not
 * keep as lost, although it has sent it.
 */
const keepsForDaemon = /(?:^|\s)audit=(?:1|on)(?:\s|$)/;

export class DenialReader implements Disposable {
  readonly #sink: RecordSink;
  /**
   * Records of domains have their own queue. These records name the owners of denials and the kernel's count
   * of denials. They are needed most when the queue of denials overflows.
   */
  readonly #sockets: Readonly<Record<keyof typeof queueBytes, number>>;
  readonly #buffer = Buffer.alloc(MESSAGE_BYTES);
  readonly #onSignal = () => this.#wake();
  #ends: AuditRecord[] = [];
  #timer: NodeJS.Timeout | undefined;
  #dropped = 0;
  /** The kernel's count of lost records; undefined before the first look at it. */
  #lost: number | undefined;
  /** The kernel's, once it was read: an end may look several times. */
  #commandLine: string | undefined;
  /** Time of the newest denial that was read, in milliseconds since the epoch. */
  #newestMs = Number.NEGATIVE_INFINITY;
  #hasRead = false;

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

  /** Reads the records that have arrived, within the bounds of a turn. */
  readNow(): void {
    this.#read();
  }

  /**
   * Reads the records of all earlier denials, however many there are. Records come in their order, so a later
   * one shows that none is left: a flood of other denials does not keep the caller.
   * @returns whether all were read; false after {@link settleMs}
   * @throws DriverError `KERNEL_CALL_FAILED`
   */
  async settle(): Promise<boolean> {
    const begunMs = Date.now();
    const until = performance.now() + settleMs;
    while (performance.now() < until) {
      // A thread of the kernel sends the records. When the thread takes a record out of its queue, the record
      // arrives at once.
      const isSent = (await this.#look()).backlog === 0;
      await delay(1);
      while (this.#read() !== "nothing" && this.#newestMs <= begunMs && performance.now() < until)
        await nextTurn();
      if (this.#newestMs > begunMs) return true;
      if (isSent && performance.now() < until) return true;
    }
    return false;
  }

  /**
   * Tells the sink what the kernel has lost since the last look.
   * @throws DriverError `KERNEL_CALL_FAILED`
   */
  async lookForLost(): Promise<void> {
    await this.#look();
  }

  async #look(): Promise<AuditStatus> {
    const status = await auditStatus();
    this.#commandLine ??= readFileSync("/proc/cmdline", "utf8");
    const lost = lostSince(this.#lost, status, this.#commandLine);
    this.#lost = status.lost;
    if (lost > 0) this.#sink.dropped(lost);
    return status;
  }

  /** The handler of the signal, which may also have come from another source. */
  #wake(): void {
    if (this.#timer !== undefined) return;
    // Signals are off while this process reads, because it does not need them then.
    this.#setSignal(undefined);
    this.#turn();
  }

  #turn(): void {
    const begun = performance.now();
    let found = this.#read();
    if (found === "nothing" && !this.#sink.isWaiting) {
      this.#setSignal(SIGURG);
      // Read once more: a record that arrived before the signal was set again has sent no signal.
      found = this.#read();
      if (found === "nothing") {
        this.#timer = undefined;
        if (this.#hasRead) void this.#look().catch(() => undefined);
        this.#hasRead = false;
        return;
      }
      this.#setSignal(undefined);
    }
    this.#hasRead = true;
    this.#sink.turn();
    const pauseMs = Math.max(minPauseMs, pauseFactor * (performance.now() - begun));
    this.#timer = setTimeout(() => this.#turn(), pauseMs).unref();
  }

  /** Reads waiting records, within the bounds of a turn. */
  #read(): "nothing" | "something" {
    const until = performance.now() + turnMs;
    for (let count = 0; count < turnRecords; ) {
      const domains = this.#readFrom("domains", turnRecords, until);
      const denials = this.#readFrom("denials", chunkRecords, until);
      count += domains.count + denials.count;
      if (denials.isEmpty) {
        // The record of a domain's end has the number of the domain's denials, so it is handled after them.
        for (const end of this.#ends.splice(0)) this.#sink.take(end);
        return count === 0 && domains.isEmpty ? "nothing" : "something";
      }
      // A turn's time may be over although little was read, if this process had to wait for a processor.
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
    if (record?.kind === "denial" || record?.kind === "filtered")
      this.#newestMs = Math.max(this.#newestMs, record.timeMs);
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

/**
 * How many records the kernel has lost since an earlier look.
 * @param before the count at that look; undefined if there was none
 * @param commandLine the kernel's
 */
export function lostSince(
  before: number | undefined,
  { lost, daemon }: Pick<AuditStatus, "lost" | "daemon">,
  commandLine: string,
): number {
  if (before === undefined || (daemon === 0 && keepsForDaemon.test(commandLine))) return 0;
  // Whoever administers audit can reset the count.
  return Math.max(0, lost - before);
}
