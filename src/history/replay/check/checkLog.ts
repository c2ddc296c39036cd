/**
 * Checks a whole log. Reads the records in storage order and folds all streams at the same time, because
 * folding one stream after another would be much slower. Compares the positions of each stream's events with
 * the index, through which all other code reads the events. If this scan does not verify a stream, the stream
 * is then checked alone. Pure.
 */

import type { MachineVersion } from "../../../machines/machineVersion.ts";
import {
  type EventRecord,
  isDefect,
  type ReadOptions,
  readRecord,
  streamOf,
} from "../../../store/eventRecord.ts";
import type { EventReader, IndexEntry, StoredEvent, StreamEntry } from "../../../store/eventStore.ts";
import type { TakeRecord } from "../../../store/recordTable.ts";
import type { StreamDefect } from "../../../store/verifyStream.ts";
import { checkStream, type Finding, StreamCheck } from "./streamCheck.ts";
import { type OutcomeMachine, outcomeMachine } from "./tableMachine.ts";

/** A machine that may say which data it need not read. */
type CheckingMachine = MachineVersion & Partial<Pick<OutcomeMachine, "isKnown">>;

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
  readonly machine?: CheckingMachine;
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

/** A stream, and how far the scan has come with it. */
interface Scanned {
  readonly head: StreamEntry;
  /**
   * `verified`, or what is wrong with it. An open stream at the end of the scan is damaged, or has an event
   * whose data were not read: it is then checked alone.
   */
  result: "open" | "verified" | Finding;
  check: StreamCheck | undefined;
  /** Checksum of the positions of the records so far. */
  places: number;
  /** Number of its last event after the version that is checked; 0 without such an event. */
  later: number;
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
  readonly #machine: CheckingMachine;
  readonly #streams: ReadonlyMap<string, Scanned>;
  readonly #unknownStreams = new Map<string, number>();

  constructor(reader: EventReader, heads: readonly StreamEntry[], machine: CheckingMachine) {
    this.#reader = reader;
    this.#machine = machine;
    this.#streams = new Map(
      heads.map((head) => [head.stream, { head, result: "open", check: undefined, places: 0, later: 0 }]),
    );
  }

  run(part: StreamPart, onProgress: (seen: number) => void): void {
    let seen = 0;
    for (const record of this.#reader.scanRecords(readerOf(part, this.#machine.isKnown))) {
      // Of another part, or damaged: such a record does not name its stream, which stays open.
      if (record === undefined) continue;
      seen += 1;
      if (seen % PROGRESS_EVERY === 0) onProgress(seen);
      const { stream, seq } = record.event;
      const scanned = this.#streams.get(stream);
      if (scanned === undefined) this.#unknownStreams.set(stream, seq);
      else if (seq > scanned.head.version) scanned.later = seq;
      else if (scanned.result === "open") this.#take(scanned, record);
    }
  }

  /**
   * The findings in the order of the streams' names. Records of streams that the log does not list come last.
   */
  findings(): Finding[] {
    const index = this.#reader.index();
    const indexed = index && this.#readIndex(index);
    const found: Finding[] = [];
    for (const scanned of this.#streams.values()) {
      const finding = this.#findingOf(scanned, indexed);
      if (finding !== undefined) found.push(finding);
    }
    // Leaves out tasks that started after the streams were listed.
    const unknown = [...this.#unknownStreams].filter(([stream]) => this.#reader.version(stream) === 0);
    return [...found, ...unknown.map(([stream, seq]) => unknownStream(stream, seq))];
  }

  /** @param index what {@link #readIndex} found; undefined without an index */
  #findingOf(scanned: Scanned, index: ReadonlyMap<number, Indexed> | undefined): Finding | undefined {
    const { head, result } = scanned;
    if (result === "open") return this.#checkAlone(head);
    return result === "verified" ? this.#checkEnd(scanned, index) : result;
  }

  /**
   * Checks that the log's index has exactly the events of a verified stream, and that the stream ends where its
   * head says.
   */
  #checkEnd(
    { head: { stream, version, firstPosition }, places: verified, later: scanned }: Scanned,
    index: ReadonlyMap<number, Indexed> | undefined,
  ): Finding | undefined {
    const { events = 0, places = 0, last = 0 } = index?.get(firstPosition) ?? {};
    const later = Math.max(scanned, last);
    const isIndexed = index === undefined || places === verified;
    if (isIndexed && later <= version) return undefined;
    // Read after the index, because the log may grow meanwhile, and streams may be pruned.
    const now = this.#headNow(stream);
    if (now?.firstPosition !== firstPosition) return undefined;
    if (!isIndexed) return damageAt(stream, events, "index", `${version} events`, `${events} of them`);
    // If events were appended after the heads were read, the new head counts them.
    const end = now.version;
    return later > end ? damageAt(stream, end, "end", String(end), String(later)) : undefined;
  }

  #headNow(stream: string): StreamEntry | undefined {
    for (const head of this.#reader.streams(stream)) if (head.stream === stream) return head;
    return undefined;
  }

  #take(scanned: Scanned, record: EventRecord): void {
    const { head } = scanned;
    const { stream, version } = head;
    const { event } = record;
    scanned.check ??= new StreamCheck(head, this.#machine);
    scanned.places = addPlace(scanned.places, event.position);
    const isLast = event.seq === version;
    const finding =
      scanned.check.next(stream, record) ??
      (isLast ? (scanned.check.end(stream) ?? checkState(head, event)) : undefined);
    if (finding === undefined && !isLast) return;
    // Cleared, because `scanned` may be in V8's old generation, where it would keep the check alive until the
    // next full collection.
    scanned.check = undefined;
    if (finding === undefined) scanned.result = "verified";
    // The stream stays open if the damage may begin at an earlier record that could not be read, and if the
    // finding has to show data that were not read.
    else if (finding.kind !== "damage" && event.data !== undefined) scanned.result = finding;
  }

  #checkAlone(head: StreamEntry): Finding | undefined {
    const finding = checkStream(this.#reader.readRecords(head.stream), head, this.#machine);
    // A stream without a head was pruned meanwhile.
    return this.#reader.version(head.stream) === 0 ? undefined : finding;
  }

  /**
   * What the index has of each stream, by the stream's first position. The index is read once, as a whole:
   * looking each stream up would take a quarter of a check of short histories.
   */
  #readIndex(index: Iterable<IndexEntry>): ReadonlyMap<number, Indexed> {
    const versions = new Map<number, number>();
    for (const { head } of this.#streams.values()) versions.set(head.firstPosition, head.version);
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
function readerOf(part: StreamPart, isKnown: ReadOptions["isKnown"]): TakeRecord<EventRecord | undefined> {
  const options = { isKnown };
  return (bytes, position) => {
    if (part.of > 1) {
      const stream = streamOf(bytes);
      if (stream === undefined || !isIn(part, stream)) return undefined;
    }
    const read = readRecord(bytes, options);
    return isDefect(read) || read.event.position !== position ? undefined : read;
  };
}

function isIn({ index, of }: StreamPart, stream: string): boolean {
  if (of === 1) return true;
  let sum = 0;
  for (let at = 0; at < stream.length; at++) sum = (Math.imul(sum, 31) + stream.charCodeAt(at)) | 0;
  // The low bits of this sum would be those of the last characters.
  return (Math.imul(sum, 0x9e3779b1) >>> 16) % of === index;
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
