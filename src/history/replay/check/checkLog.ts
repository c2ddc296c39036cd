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
  placeOf,
  type ReadOptions,
  readRecord,
} from "../../../store/eventRecord.ts";
import type { EventReader, IndexEntry, StoredEvent, StreamEntry } from "../../../store/eventStore.ts";
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
 * One of several parts that together have all streams of a log, so that several processes can check it: the
 * streams whose first events are at positions from `from` on and below `to`. So a part has the same streams in a
 * log that grows meanwhile, and most of their records are next to each other.
 */
export interface StreamPart {
  readonly from: number;
  readonly to: number;
}

export const wholeLog: StreamPart = { from: 0, to: Number.POSITIVE_INFINITY };

/**
 * Divides a log into parts with about as many events each, in the order of the positions.
 * @param of number of the parts; some are empty if the log has fewer streams
 */
export function partsOf(reader: EventReader, of: number): StreamPart[] {
  if (of === 1) return [wholeLog];
  const heads = [...reader.streams()].sort((a, b) => a.firstPosition - b.firstPosition);
  const share = heads.reduce((sum, { version }) => sum + version, 0) / of;
  const begins = [wholeLog.from];
  let events = 0;
  for (const { firstPosition, version } of heads) {
    while (events >= share * begins.length && begins.length < of) begins.push(firstPosition);
    events += version;
  }
  while (begins.length < of) begins.push(wholeLog.to);
  return begins.map((from, index) => ({ from, to: begins[index + 1] ?? wholeLog.to }));
}

/**
 * Checks the events that were stored before the call. Ignores events that a writer adds meanwhile.
 * @throws DriverError `STORE_FAILED` if the log cannot be read
 */
export function checkLog(reader: EventReader, options: CheckOptions = {}): CheckReport {
  const { machine = outcomeMachine(), part = wholeLog, onProgress } = options;
  const heads = [...reader.streams()];
  const own = heads.filter(({ firstPosition }) => isIn(part, firstPosition));
  const events = own.reduce((sum, { version }) => sum + version, 0);
  const scan = new Scan(reader, heads, { machine, part });
  scan.run((seen) => onProgress?.(seen / events));
  const findings = scan.findings();
  return { streams: own.length, events, findings, damage: reader.damage };
}

/** Number of records between two progress reports. */
const PROGRESS_EVERY = 10_000;

/** A stream, and how far the scan has come with it. */
interface Scanned {
  readonly head: StreamEntry;
  /** Whether it is of the part that is checked; no records are taken of the others. */
  readonly isOwn: boolean;
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
  readonly #options: ReadOptions;
  readonly #part: StreamPart;
  /** The streams of all parts, because a record has to belong to any of them. */
  readonly #streams: ReadonlyMap<string, Scanned>;
  readonly #unknownStreams = new Map<string, number>();
  /** Number of the part's streams whose records are still to come. */
  #unended = 0;

  constructor(
    reader: EventReader,
    heads: readonly StreamEntry[],
    { machine, part }: { readonly machine: CheckingMachine; readonly part: StreamPart },
  ) {
    this.#reader = reader;
    this.#machine = machine;
    this.#options = { isKnown: machine.isKnown };
    this.#part = part;
    this.#streams = new Map(
      heads.map((head) => {
        const isOwn = isIn(part, head.firstPosition);
        if (isOwn) this.#unended += 1;
        return [head.stream, { head, isOwn, result: "open", check: undefined, places: 0, later: 0 }];
      }),
    );
  }

  /**
   * Takes all records of the part's streams. The records of other streams and of none are looked at only between
   * the part's positions: beyond them it is another part that does so.
   */
  run(onProgress: (seen: number) => void): void {
    let seen = 0;
    const records = this.#reader.scanRecords(
      (bytes, position) => this.#read(bytes, position),
      Math.max(this.#part.from, 1),
    );
    for (const record of records) {
      if (record === "beyond") {
        if (this.#unended === 0) return;
        continue;
      }
      // Of another part, or damaged: such a record does not name its stream, which stays open.
      if (record === undefined) continue;
      const { stream, seq } = record.event;
      const scanned = this.#streams.get(stream);
      if (scanned === undefined) this.#unknownStreams.set(stream, seq);
      else if (seq > scanned.head.version) scanned.later = seq;
      else if (scanned.result === "open") this.#take(scanned, record);
      seen += 1;
      if (seen % PROGRESS_EVERY === 0) onProgress(seen);
    }
  }

  /**
   * Reads a record that is of the part, or not of the stream that it names.
   * @returns undefined for one that is damaged or of another part; `beyond` if it is also after the part's positions
   */
  #read(bytes: Buffer, position: number): EventRecord | "beyond" | undefined {
    const isBeyond = position >= this.#part.to;
    if (this.#part !== wholeLog) {
      const { stream, seq } = placeOf(bytes) ?? { stream: "", seq: 0 };
      const scanned = this.#streams.get(stream);
      if (scanned?.isOwn !== true) {
        if (isBeyond) return "beyond";
        if (scanned !== undefined && seq <= scanned.head.version) return undefined;
      }
    }
    const read = readRecord(bytes, this.#options);
    return isDefect(read) || read.event.position !== position ? undefined : read;
  }

  /**
   * The findings in the order of the streams' names. Records of streams that the log does not list come last.
   */
  findings(): Finding[] {
    const index = this.#reader.index(this.#part.from);
    const indexed = index && this.#readIndex(index);
    const found: Finding[] = [];
    for (const scanned of this.#streams.values()) {
      if (!scanned.isOwn && scanned.later === 0) continue;
      const finding = scanned.isOwn ? this.#findingOf(scanned, indexed) : this.#checkLater(scanned);
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
    { head, places: verified, later: scanned }: Scanned,
    index: ReadonlyMap<number, Indexed> | undefined,
  ): Finding | undefined {
    const { stream, version, firstPosition } = head;
    const { events = 0, places = 0, last = 0 } = index?.get(firstPosition) ?? {};
    const later = Math.max(scanned, last);
    const isIndexed = index === undefined || places === verified;
    if (isIndexed && later <= version) return undefined;
    if (isIndexed) return this.#checkLater({ head, later });
    // Read after the index, because streams may be pruned meanwhile.
    if (this.#headNow(stream)?.firstPosition !== firstPosition) return undefined;
    return damageAt(stream, events, "index", `${version} events`, `${events} of them`);
  }

  /** Checks that the log counts an event after those that are checked, whose number is `later`. */
  #checkLater({
    head: { stream, firstPosition },
    later,
  }: Pick<Scanned, "head" | "later">): Finding | undefined {
    const now = this.#headNow(stream);
    // A stream without a head was pruned meanwhile. If events were appended after the heads were read, the new
    // head counts them.
    if (now?.firstPosition !== firstPosition || later <= now.version) return undefined;
    return damageAt(stream, now.version, "end", String(now.version), String(later));
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
    if (isLast || scanned.result !== "open") this.#unended -= 1;
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
    for (const { head, isOwn } of this.#streams.values())
      if (isOwn) versions.set(head.firstPosition, head.version);
    const found = new Map<number, Indexed>();
    let stream: Indexed | undefined;
    let [first, version] = [0, 0];
    for (const { firstPosition, seq, position } of index) {
      if (firstPosition >= this.#part.to) break;
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

function isIn({ from, to }: StreamPart, firstPosition: number): boolean {
  return firstPosition >= from && firstPosition < to;
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
