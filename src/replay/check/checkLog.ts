/**
 * The proof of a whole log. Records are read in the order in which they lie, the
 * folds of all streams going on beside each other: much faster than one stream
 * after another. A stream that this does not prove is looked at by itself.
 */
import { type MachineVersion, thisMachine } from "../../machines/machineVersion.ts";
import { isDefect, readRecord } from "../../store/eventRecord.ts";
import type { EventReader, StreamHead } from "../../store/eventStore.ts";
import { checkStream, type Finding, StreamCheck } from "./streamCheck.ts";

export interface CheckReport {
  /** How many streams were looked at, and how many events they have. */
  readonly streams: number;
  readonly events: number;
  /** The first finding of each stream that has one: empty where all is proven. */
  readonly findings: readonly Finding[];
}

export interface CheckOptions {
  /** The version of the machine to ask (default: this one). */
  readonly machine?: MachineVersion;
  /** Called now and then with the share that is done, up to 1. */
  readonly onProgress?: (done: number) => void;
}

/**
 * Checks what was stored when it was called; what a writer adds meanwhile is left for another time.
 * @throws DriverError `STORE_FAILED` where the log cannot be read
 */
export function checkLog(reader: EventReader, options: CheckOptions = {}): CheckReport {
  const { machine = thisMachine, onProgress } = options;
  const heads = [...reader.streams()];
  const events = heads.reduce((sum, { version }) => sum + version, 0);
  const scan = new Scan(reader, heads, machine);
  scan.run((seen) => onProgress?.(seen / events));
  return { streams: heads.length, events, findings: scan.findings() };
}

/** Records between two calls about progress. */
const PROGRESS_EVERY = 10_000;

interface Unproven {
  readonly head: StreamHead;
  check: StreamCheck | undefined;
}

class Scan {
  readonly #reader: EventReader;
  readonly #heads: readonly StreamHead[];
  readonly #machine: MachineVersion;
  /** Streams leave it when they are proven or something was found: what they hold is let go. */
  readonly #unproven: Map<string, Unproven>;
  readonly #found = new Map<string, Finding>();
  readonly #strangers = new Map<string, number>();

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
      // Whose it is, a damaged record cannot tell: that stream will remain unproven.
      if (record === undefined) continue;
      const { stream, seq } = record.event;
      const unproven = this.#unproven.get(stream);
      if (unproven !== undefined && seq <= unproven.head.version) this.#take(unproven, record);
      else if (!streams.has(stream)) this.#strangers.set(stream, seq);
    }
  }

  /** In the order of the streams' names; last, records of streams that the log does not know. */
  findings(): Finding[] {
    const ofStreams = this.#heads.flatMap((head) => this.#found.get(head.stream) ?? this.#alone(head) ?? []);
    // A task that was started after the streams were listed is no stranger.
    const strangers = [...this.#strangers].filter(([stream]) => this.#reader.version(stream) === 0);
    return [...ofStreams, ...strangers.map(([stream, seq]) => unknownStream(stream, seq))];
  }

  #take(unproven: Unproven, record: Exclude<ReturnType<typeof readAt>, undefined>): void {
    const { head } = unproven;
    const { stream, version } = head;
    unproven.check ??= new StreamCheck(head, this.#machine);
    const isLast = record.event.seq === version;
    const finding = unproven.check.next(stream, record) ?? (isLast ? unproven.check.end(stream) : undefined);
    if (finding === undefined && !isLast) return;
    // Let go by hand: the garbage collector would drag it along with its holder, which has grown old.
    unproven.check = undefined;
    // Damage may begin with a record before this one that could not be read.
    if (finding?.kind === "damage") return;
    if (finding !== undefined) this.#found.set(stream, finding);
    this.#unproven.delete(stream);
  }

  #alone(head: StreamHead): Finding | undefined {
    if (!this.#unproven.has(head.stream)) return undefined;
    const finding = checkStream(this.#reader.readRecords(head.stream), head, this.#machine);
    // Without a head it has been pruned meanwhile.
    return this.#reader.version(head.stream) === 0 ? undefined : finding;
  }
}

/** The record, where it is whole and where it belongs. */
function readAt(bytes: Buffer, position: number) {
  const read = readRecord(bytes);
  return isDefect(read) || read.event.position !== position ? undefined : read;
}

function unknownStream(stream: string, seq: number): Finding {
  return { kind: "damage", stream, seq, defect: { seq, kind: "end", expected: "0", found: String(seq) } };
}
