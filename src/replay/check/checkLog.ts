/**
 * Checks a whole log. It reads the records in storage order and folds all streams
 * at the same time, which is much faster than one stream after another. A stream
 * that this scan does not prove is then checked alone.
 */
import { type MachineVersion, thisMachine } from "../../machines/machineVersion.ts";
import { isDefect, readRecord } from "../../store/eventRecord.ts";
import type { EventReader, StreamHead } from "../../store/eventStore.ts";
import { checkStream, type Finding, StreamCheck } from "./streamCheck.ts";

export interface CheckReport {
  /** Number of streams that were checked, and of the events in them. */
  readonly streams: number;
  readonly events: number;
  /** The first finding of each stream that has one; empty if all are proven. */
  readonly findings: readonly Finding[];
}

export interface CheckOptions {
  /** The machine to check with; by default, this version's. */
  readonly machine?: MachineVersion;
  /** Called repeatedly with the share that is done, up to 1. */
  readonly onProgress?: (done: number) => void;
}

/**
 * Checks the events that were stored before the call. It ignores those that a writer adds meanwhile.
 * @throws DriverError `STORE_FAILED` if the log cannot be read
 */
export function checkLog(reader: EventReader, options: CheckOptions = {}): CheckReport {
  const { machine = thisMachine, onProgress } = options;
  const heads = [...reader.streams()];
  const events = heads.reduce((sum, { version }) => sum + version, 0);
  const scan = new Scan(reader, heads, machine);
  scan.run((seen) => onProgress?.(seen / events));
  return { streams: heads.length, events, findings: scan.findings() };
}

/** Number of records between two progress reports. */
const PROGRESS_EVERY = 10_000;

interface Unproven {
  readonly head: StreamHead;
  check: StreamCheck | undefined;
}

class Scan {
  readonly #reader: EventReader;
  readonly #heads: readonly StreamHead[];
  readonly #machine: MachineVersion;
  /** A stream is removed, and its memory freed, once it is proven or has a finding. */
  readonly #unproven: Map<string, Unproven>;
  readonly #found = new Map<string, Finding>();
  readonly #unknownStreams = new Map<string, number>();

  constructor(reader: EventReader, heads: readonly StreamHead[], machine: MachineVersion) {
    this.#reader = reader;
    this.#heads = heads;
    this.#machine = machine;
    this.#unproven = new Map(heads.map((head) => [head.stream, { head, check: undefined }]));
  }

  run(onProgress: (seen: number) => void): void {
    const streams = new Set(this.#unproven.keys());
    let seen = 0;
    for (const record of this.#reader.scanRecords(readAt)) {
      seen += 1;
      if (seen % PROGRESS_EVERY === 0) onProgress(seen);
      // A damaged record does not say whose it is. Its stream stays unproven.
      if (record === undefined) continue;
      const { stream, seq } = record.event;
      const unproven = this.#unproven.get(stream);
      if (unproven !== undefined && seq <= unproven.head.version) this.#take(unproven, record);
      else if (!streams.has(stream)) this.#unknownStreams.set(stream, seq);
    }
  }

  /** In the order of the streams' names; last, records of streams that the log does not list. */
  findings(): Finding[] {
    const ofStreams = this.#heads.flatMap(
      (head) => this.#found.get(head.stream) ?? this.#checkAlone(head) ?? [],
    );
    // A task that started after the streams were listed is not unknown.
    const unknown = [...this.#unknownStreams].filter(([stream]) => this.#reader.version(stream) === 0);
    return [...ofStreams, ...unknown.map(([stream, seq]) => unknownStream(stream, seq))];
  }

  #take(unproven: Unproven, record: Exclude<ReturnType<typeof readAt>, undefined>): void {
    const { head } = unproven;
    const { stream, version } = head;
    unproven.check ??= new StreamCheck(head, this.#machine);
    const isLast = record.event.seq === version;
    const finding = unproven.check.next(stream, record) ?? (isLast ? unproven.check.end(stream) : undefined);
    if (finding === undefined && !isLast) return;
    // Cleared explicitly: a holder in the old generation would keep it alive until the next full collection.
    unproven.check = undefined;
    // Stays unproven: the damage may begin at an earlier record that could not be read.
    if (finding?.kind === "damage") return;
    if (finding !== undefined) this.#found.set(stream, finding);
    this.#unproven.delete(stream);
  }

  #checkAlone(head: StreamHead): Finding | undefined {
    if (!this.#unproven.has(head.stream)) return undefined;
    const finding = checkStream(this.#reader.readRecords(head.stream), head, this.#machine);
    // A stream without a head was pruned meanwhile.
    return this.#reader.version(head.stream) === 0 ? undefined : finding;
  }
}

/** The record, if it is intact and stored at its own position. */
function readAt(bytes: Buffer, position: number) {
  const read = readRecord(bytes);
  return isDefect(read) || read.event.position !== position ? undefined : read;
}

function unknownStream(stream: string, seq: number): Finding {
  return { kind: "damage", stream, seq, defect: { seq, kind: "end", expected: "0", found: String(seq) } };
}
