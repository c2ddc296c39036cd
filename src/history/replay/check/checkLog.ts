/**
 * Checks a whole log. Reads the records in storage order and folds all streams at the same time, because
 * folding one stream after another would be much slower. Compares the positions of each stream's events with
 * the index, through which all other code reads the events. If this scan does not verify a stream, the stream
 * is then checked alone. Pure.
 */

import type { MachineVersion } from "../../../machines/machineVersion.ts";
import { isDefect, readRecord, streamOf } from "../../../store/eventRecord.ts";
import type { EventReader, IndexEntry, StoredEvent, StreamEntry } from "../../../store/eventStore.ts";
import type { StreamDefect } from "../../../store/verifyStream.ts";
import { checkStream, type Finding, StreamCheck } from "./streamCheck.ts";
import { outcomeMachine } from "./tableMachine.ts";

export interface CheckReport {
  /** Number of streams that were checked, and of the events in them. */
  readonly streams: number;
  readonly events: number;
  /** The first finding of each stream that has one; empty if all are verified. */
  readonly findings: readonly Finding[];
  /** Descriptions of parts of the log that could not be read; empty if everything was readable. */
  readonly damage: readonly string[];
}

export interface CheckOptions {
  /** The machine to check with; by default, this version's. */
  readonly machine?: MachineVersion;
  /** The part of the streams to check; by default, all. */
  readonly part?: StreamPart;
  /** Called repeatedly with the share that is done, up to 1. */
  readonly onProgress?: (done: number) => void;
}

/**
 * One of several parts that together have all streams of a log, so that several processes can check it. Which
 * streams a part has depends on their names alone, so it is the same in a log that grows meanwhile.
 */
export interface StreamPart {
  /** The part's number, from 0. */
  readonly index: number;
  readonly of: number;
}

/**
 * Checks the events that were stored before the call. Ignores events that a writer adds meanwhile.
 * @throws DriverError `STORE_FAILED` if the log cannot be read
 */
export function checkLog(reader: EventReader, options: CheckOptions = {}): CheckReport {
  const { machine = outcomeMachine(), part = { index: 0, of: 1 }, onProgress } = options;
  const heads = [...reader.streams()].filter(({ stream }) => isIn(part, stream));
  const events = heads.reduce((sum, { version }) => sum + version, 0);
  const scan = new Scan(reader, heads, machine);
  scan.run(part, (seen) => onProgress?.(seen / events));
  const findings = scan.findings();
  return { streams: heads.length, events, findings, damage: reader.damage };
}

/** Number of records between two progress reports. */
const PROGRESS_EVERY = 10_000;

interface Unverified {
  readonly head: StreamEntry;
  check: StreamCheck | undefined;
  /** Checksum of the positions of the records so far. */
  places: number;
}

/** What the index has of a stream. */
interface Indexed {
  /** Number of the stream's events, up to the version that is checked. */
  events: number;
  /** Checksum of their positions. */
  places: number;
  /** Number of the last event, of all that the index has. */
  last: number;
}

class Scan {
  readonly #reader: EventReader;
  readonly #heads: readonly StreamEntry[];
  readonly #machine: MachineVersion;
  /** Streams without a result. A damaged stream stays here, and is checked alone after the scan. */
  readonly #unverified: Map<string, Unverified>;
  readonly #found = new Map<string, Finding>();
  readonly #unknownStreams = new Map<string, number>();
  /** Checksums of the positions of verified streams. */
  readonly #places = new Map<string, number>();
  /** For each stream that has more events than its head says, the number of its last event. */
  readonly #later = new Map<string, number>();

  constructor(reader: EventReader, heads: readonly StreamEntry[], machine: MachineVersion) {
    this.#reader = reader;
    this.#heads = heads;
    this.#machine = machine;
    this.#unverified = new Map(heads.map((head) => [head.stream, { head, check: undefined, places: 0 }]));
  }

  run(part: StreamPart, onProgress: (seen: number) => void): void {
    const versions = new Map(this.#heads.map(({ stream, version }) => [stream, version]));
    let seen = 0;
    for (const record of this.#reader.scanRecords(readerOf(part))) {
      // Of another part, or damaged: such a record does not name its stream, which stays unverified.
      if (record === undefined) continue;
      seen += 1;
      if (seen % PROGRESS_EVERY === 0) onProgress(seen);
      const { stream, seq } = record.event;
      const version = versions.get(stream);
      const unverified = this.#unverified.get(stream);
      if (version === undefined) this.#unknownStreams.set(stream, seq);
      else if (seq > version) this.#later.set(stream, seq);
      else if (unverified !== undefined) this.#take(unverified, record);
    }
  }

  /**
   * The findings in the order of the streams' names. Records of streams that the log does not list come last.
   */
  findings(): Finding[] {
    const index = this.#reader.index();
    const places = index && this.#readIndex(index);
    // Read after the index, because the log may grow meanwhile, and streams may be pruned.
    const now = new Map(Array.from(this.#reader.streams(), (head) => [head.stream, head]));
    const ofStreams = this.#heads.flatMap(
      (head) =>
        this.#found.get(head.stream) ??
        this.#checkAlone(head) ??
        this.#checkEnd(head, now.get(head.stream), places) ??
        [],
    );
    // Leaves out tasks that started after the streams were listed.
    const unknown = [...this.#unknownStreams].filter(([stream]) => this.#reader.version(stream) === 0);
    return [...ofStreams, ...unknown.map(([stream, seq]) => unknownStream(stream, seq))];
  }

  #take(unverified: Unverified, record: Exclude<ReturnType<typeof readAt>, undefined>): void {
    const { head } = unverified;
    const { stream, version } = head;
    unverified.check ??= new StreamCheck(head, this.#machine);
    unverified.places = addPlace(unverified.places, record.event.position);
    const isLast = record.event.seq === version;
    const finding =
      unverified.check.next(stream, record) ??
      (isLast ? (unverified.check.end(stream) ?? checkState(head, record.event)) : undefined);
    if (finding === undefined && !isLast) return;
    // Cleared, because `unverified` may be in V8's old generation, where it would keep the check alive until
    // the next full collection.
    unverified.check = undefined;
    // The stream stays unverified, because the damage may begin at an earlier record that could not be read.
    if (finding?.kind === "damage") return;
    if (finding !== undefined) this.#found.set(stream, finding);
    else this.#places.set(stream, unverified.places);
    this.#unverified.delete(stream);
  }

  #checkAlone(head: StreamEntry): Finding | undefined {
    if (!this.#unverified.has(head.stream)) return undefined;
    const finding = checkStream(this.#reader.readRecords(head.stream), head, this.#machine);
    // A stream without a head was pruned meanwhile.
    return this.#reader.version(head.stream) === 0 ? undefined : finding;
  }

  /**
   * What the index has of each stream, by the stream's first position. The index is read once, as a whole:
   * looking each stream up would take a quarter of a check of short histories.
   */
  #readIndex(index: Iterable<IndexEntry>): ReadonlyMap<number, Indexed> {
    const versions = new Map(this.#heads.map(({ firstPosition, version }) => [firstPosition, version]));
    const found = new Map<number, Indexed>();
    let stream: Indexed | undefined;
    let [first, version] = [0, 0];
    for (const { firstPosition, seq, position } of index) {
      if (firstPosition !== first || stream === undefined) {
        stream = { events: 0, places: 0, last: 0 };
        [first, version] = [firstPosition, versions.get(firstPosition) ?? 0];
        found.set(first, stream);
      }
      stream.last = seq;
      if (stream.events === version) continue;
      stream.events += 1;
      stream.places = addPlace(stream.places, position);
    }
    return found;
  }

  /**
   * Checks that the log's index has exactly the events of a verified stream, and that the stream ends where its
   * head says.
   * @param now the stream's head after the index was read; undefined if the stream was pruned meanwhile
   * @param index what {@link #readIndex} found; undefined without an index
   */
  #checkEnd(
    { stream, version, firstPosition }: StreamEntry,
    now: StreamEntry | undefined,
    index: ReadonlyMap<number, Indexed> | undefined,
  ): Finding | undefined {
    const verified = this.#places.get(stream);
    if (verified === undefined || now?.firstPosition !== firstPosition) return undefined;
    const { events = 0, places = 0, last = 0 } = index?.get(firstPosition) ?? {};
    if (index !== undefined && places !== verified)
      return damageAt(stream, events, "index", `${version} events`, `${events} of them`);
    // If events were appended after the heads were read, the new head counts them.
    const later = Math.max(this.#later.get(stream) ?? 0, last);
    const end = now.version;
    return later > end ? damageAt(stream, end, "end", String(end), String(later)) : undefined;
  }
}

/** Checks that the log lists the stream with the state of its last event. */
function checkState({ stream, version, state }: StreamEntry, { to }: StoredEvent): Finding | undefined {
  return state === undefined || state === to ? undefined : damageAt(stream, version, "end", state, to);
}

/** A checksum of positions, in their order. */
function addPlace(sum: number, position: number): number {
  return (Math.imul(sum, 31) + position) | 0;
}

/** Reads the records of a part's streams, and skips the others before anything else is read of them. */
function readerOf(part: StreamPart): typeof readAt {
  if (part.of === 1) return readAt;
  return (bytes, position) => {
    const stream = streamOf(bytes);
    return stream !== undefined && isIn(part, stream) ? readAt(bytes, position) : undefined;
  };
}

function isIn({ index, of }: StreamPart, stream: string): boolean {
  if (of === 1) return true;
  let sum = 0;
  for (let at = 0; at < stream.length; at++) sum = (Math.imul(sum, 31) + stream.charCodeAt(at)) | 0;
  // The low bits of this sum would be those of the last characters.
  return (Math.imul(sum, 0x9e3779b1) >>> 16) % of === index;
}

/** The record, if it is intact and stored at its own position. */
function readAt(bytes: Buffer, position: number) {
  const read = readRecord(bytes);
  return isDefect(read) || read.event.position !== position ? undefined : read;
}

function unknownStream(stream: string, seq: number): Finding {
  return damageAt(stream, seq, "end", "0", String(seq));
}

function damageAt(
  stream: string,
  seq: number,
  kind: StreamDefect["kind"],
  expected: string,
  found: string,
): Finding {
  return { kind: "damage", stream, seq, defect: { seq, kind, expected, found } };
}
