/**
 * The event log as the rest of the driver sees it: streams of numbered events,
 * appended with an expected version. Each task has one stream, whose name is the task's id.
 */
import type { UsageSample } from "./usage/usageSample.ts";

/**
 * An event and the state machine's reaction to it. A replay compares its own reaction with the recorded one.
 */
export interface EventToAppend {
  readonly type: string;
  /** Version of the schema of `data`. */
  readonly schema: number;
  /** Wall clock, milliseconds since the Unix epoch. */
  readonly time: number;
  /** Plain data: numbers, strings, booleans, null, arrays and objects of those. */
  readonly data: unknown;
  /** The machine's state before the event and after it. */
  readonly from: string;
  readonly to: string;
  /** Names of the effects that the machine requested, in order. */
  readonly effects: readonly string[];
}

export interface StoredEvent extends EventToAppend {
  readonly stream: string;
  /** Number of the event in its stream, from 1, without gaps. */
  readonly seq: number;
  /** Number of the event in the whole log, from 1, without gaps while nothing is pruned. */
  readonly position: number;
  /** SHA-256 over the event and the hash of the previous event in the stream; hex. */
  readonly hash: string;
}

/** The end of a stream, to which the next event is chained. */
export interface StreamHead {
  readonly stream: string;
  /** Number of the stream's last event. */
  readonly version: number;
  /** Hash of the last event; hex. */
  readonly hash: string;
}

/** A stream as the log lists it, without a look at its events. */
export interface StreamEntry extends StreamHead {
  /** Position of the stream's first event: unique, and greater for streams that began later. */
  readonly firstPosition: number;
  /** The machine's state after the last event. Undefined in bundles, which do not list it. */
  readonly state: string | undefined;
}

/** Where an event of a stream is stored. */
export interface IndexEntry {
  /** Position of the stream's first event: {@link StreamEntry.firstPosition}. */
  readonly firstPosition: number;
  readonly seq: number;
  readonly position: number;
}

/**
 * Events from a position on. The next read begins at `next`. If there were no records, `next` is the position
 * at which this read began.
 */
export interface EventBatch {
  readonly events: readonly StoredEvent[];
  readonly next: number;
}

/**
 * The reading side, which other processes use too. Reading an event checks its
 * own hashes. verifyStream.ts checks the chain of a whole stream.
 *
 * Iterables are lazy. They end with the event that was the log's last one when the
 * iteration began. They hold nothing open between two events, so a caller may abandon
 * them at any point.
 * @throws DriverError `STORE_FAILED`, from any call, if the log cannot be read
 * @throws DriverError `STORE_DAMAGED`, from any call, if the log can never be read again; from `readStream`
 *   and `readAll`, also for a damaged event
 */
export interface EventReader {
  /**
   * Events of one stream, in order, from sequence number `from` (default 1).
   * @param unread name of a list that the caller does not need. If the list is the last field of an event's
   *   data, it is returned empty, and reading the event takes a third of the time.
   */
  readStream(stream: string, from?: number, unread?: string): Iterable<StoredEvent>;
  /**
   * Events of one stream as {@link readStream} selects them, but in their stored form (eventRecord.ts) and
   * unchecked. An event that cannot be read is an empty buffer.
   */
  readRecords(stream: string, from?: number): Iterable<Buffer>;
  /**
   * The position of the last event of each given stream, in the given order; 0 if the index lacks that event.
   * Fast for many streams if they are ordered by their first positions.
   */
  lastPositions(streams: readonly StreamEntry[]): readonly number[];
  /**
   * The index of all streams, or of those that begin at position `from` or later, in the order of the streams'
   * first positions, and of the events in a stream. Damaged parts are left out. Undefined for a bundle, which
   * has no index.
   */
  index(from?: number): Iterable<IndexEntry> | undefined;
  /** Events of all streams in the order of their position, from `from` (default 1). */
  readAll(from?: number): Iterable<StoredEvent>;
  /** Like `readAll`, but skips damaged events and adds them to {@link damage}. */
  readIntact(from?: number): Iterable<StoredEvent>;
  /** Some events as `readIntact` yields them, for readers that go on later. */
  batchFrom(position: number): EventBatch;
  /**
   * Calls `take` with the stored form of each event of all streams, unchecked, in the order of position, from
   * `from` (default 1), and yields what `take` returns. The bytes may be overwritten after the call. An event
   * that cannot be read is an empty buffer.
   */
  scanRecords<T>(take: (bytes: Buffer, position: number) => T, from?: number): Iterable<T>;
  /** Usage samples of a stream's task, in chronological order; empty if there are none that can be read. */
  usage(stream: string): readonly UsageSample[];
  /** Number of the last event of a stream; 0 if there is no such stream. */
  version(stream: string): number;
  /** All streams, or those whose names begin with `prefix`, in the order of their names' UTF-8 bytes. */
  streams(prefix?: string): Iterable<StreamEntry>;
  /**
   * All streams but those whose tasks are certainly over, in the order of their first events. The log has a
   * list of these streams, so the time depends on the length of this list, not on the log's size. Bundles
   * have no such list: there, the heads of all streams are read.
   */
  openStreams(): Iterable<StreamEntry>;
  /** Position of the newest event; 0 if the log is empty. */
  lastPosition(): number;
  /** Descriptions of all damage found so far; empty if everything could be read. */
  readonly damage: readonly string[];
  /** Adds damage that a caller has found to {@link damage}. */
  noteDamage(text: string): void;
  close(): Promise<void>;
}

/** The log's only writer. */
export interface EventStore extends EventReader {
  /**
   * Appends events to a stream whose last event is number `expectedVersion` (0: the stream must not exist).
   * Stores all of them or none. Resolves once they are committed. From then on they survive the death of this
   * process. They survive a power cut only after the next flush, which follows in the background. Calls are
   * carried out in the order in which they were made.
   * @throws WrongExpectedVersion (`WRONG_EXPECTED_VERSION`) with both versions
   * @throws DriverError `EVENT_INVALID` for a name or data that cannot be stored
   * @throws DriverError `STORE_FAILED` if the file system refuses
   */
  append(
    stream: string,
    expectedVersion: number,
    events: readonly EventToAppend[],
  ): Promise<readonly StoredEvent[]>;
  /** All streams whose first event can be read, oldest first. */
  streamsByAge(): Iterable<StreamHead>;
  /** Approximate size of all events, in bytes. */
  bytes(): number;
  /**
   * Removes a stream, in several transactions of about a millisecond. The first transaction makes it
   * invisible to readers. Other events keep their positions. The stream of the log's newest event is not
   * removed, because the next position derives from that event.
   * @returns whether the stream was removed
   * @throws WrongExpectedVersion if its last event is not number `expectedVersion`
   * @throws DriverError `STORE_FAILED` if the file system refuses; `finishPruning` removes the rest then
   */
  prune(stream: string, expectedVersion: number): Promise<boolean>;
  /** Removes the rest of a stream whose removal was interrupted, for example by the end of the process. */
  finishPruning(): Promise<void>;
  /**
   * Resolves once everything committed so far would survive a power cut.
   * @throws DriverError `STORE_FAILED` if the disk refuses
   */
  flushed(): Promise<void>;
  /** Commits pending appends, and flushes. */
  close(): Promise<void>;
}
