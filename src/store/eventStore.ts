/**
 * The event log as the rest of the driver sees it: streams of numbered events,
 * appended with an expected version. A stream is a task; its name is the task's id.
 */
import type { Observable } from "rxjs";

/** What is appended: the fact, and what the machine made of it, so that a replay can prove it does the same. */
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
  /** Names of the effects that the machine asked for, in order. */
  readonly effects: readonly string[];
}

export interface StoredEvent extends EventToAppend {
  readonly stream: string;
  /** Number of the event in its stream, from 1, without gaps. */
  readonly seq: number;
  /** Number of the event in the whole log, from 1, without gaps while nothing is pruned. */
  readonly position: number;
  /** SHA-256 over the event and the hash of the one before it in its stream; hex. */
  readonly hash: string;
}

/** Reading side: what other processes use too. */
export interface EventReader {
  /** Events of one stream, in order, from sequence number `from` (default 1). */
  readStream(stream: string, from?: number): Iterable<StoredEvent>;
  /** Events of all streams in the order of their position, from `from` (default 1). */
  readAll(from?: number): Iterable<StoredEvent>;
  /** Number of the last event of a stream; 0 where there is no such stream. */
  version(stream: string): number;
  /** Names of all streams with the number of their last event. */
  streams(): Iterable<{ readonly stream: string; readonly version: number }>;
  /** Position of the newest event; 0 where the log is empty. */
  lastPosition(): number;
  /**
   * All events from position `from` on: those stored already, then those to
   * come, each once and in order. Ends only when unsubscribed or closed.
   */
  follow(from?: number): Observable<StoredEvent>;
  close(): Promise<void>;
}

/** The one writer. */
export interface EventStore extends EventReader {
  /**
   * Appends events to a stream whose last event is number `expectedVersion`
   * (0: the stream must not exist). All are stored or none. Resolves once they
   * are committed: they survive the death of this process, though not yet a
   * power cut (a flush follows in the background).
   * Calls are carried out in the order in which they were made.
   * @throws DriverError `WRONG_EXPECTED_VERSION`, telling both versions
   * @throws DriverError `STORE_FAILED` where the file system refused
   */
  append(
    stream: string,
    expectedVersion: number,
    events: readonly EventToAppend[],
  ): Promise<readonly StoredEvent[]>;
}
