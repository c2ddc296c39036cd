/**
 * The event log as the rest of the driver sees it: streams of numbered events,
 * appended with an expected version. A stream is a task; its name is the task's id.
 */

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

/** The end of a stream: what the next event is chained to. */
export interface StreamHead {
  readonly stream: string;
  /** Number of the stream's last event. */
  readonly version: number;
  /** Its hash; hex. */
  readonly hash: string;
}

/**
 * Reading side: what other processes use too. Every event's own hashes are
 * checked as it is read; whether the events of a stream hang together is what
 * verifyStream.ts tells.
 *
 * Iterables are lazy, end where the log ended when they were started, and hold
 * nothing open between two events: they can be abandoned at any point.
 * @throws DriverError `STORE_FAILED` from any call where the log cannot be read, `STORE_DAMAGED` where that is for good
 */
export interface EventReader {
  /** Events of one stream, in order, from sequence number `from` (default 1). */
  readStream(stream: string, from?: number): Iterable<StoredEvent>;
  /** The same as the bytes that are stored (eventRecord.ts), unchecked. */
  readRecords(stream: string, from?: number): Iterable<Buffer>;
  /** Events of all streams in the order of their position, from `from` (default 1). */
  readAll(from?: number): Iterable<StoredEvent>;
  /**
   * What `take` makes of the stored bytes of all streams, unchecked, in the order
   * of their position. The bytes may be overwritten after its call.
   */
  scanRecords<T>(take: (bytes: Buffer, position: number) => T): Iterable<T>;
  /** Number of the last event of a stream; 0 where there is no such stream. */
  version(stream: string): number;
  /** All streams, or those whose names begin with `prefix`, in the order of their names' UTF-8 bytes. */
  streams(prefix?: string): Iterable<StreamHead>;
  /** Position of the newest event; 0 where the log is empty. */
  lastPosition(): number;
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
   * @throws WrongExpectedVersion (`WRONG_EXPECTED_VERSION`), telling both versions
   * @throws DriverError `EVENT_INVALID` for a name or data that cannot be stored
   * @throws DriverError `STORE_FAILED` where the file system refused
   */
  append(
    stream: string,
    expectedVersion: number,
    events: readonly EventToAppend[],
  ): Promise<readonly StoredEvent[]>;
  /** All streams whose first events can be read, the oldest first. */
  streamsByAge(): Iterable<StreamHead>;
  /** How many bytes all events take, roughly. */
  bytes(): number;
  /**
   * Removes a stream, in transactions of a millisecond or so; it is gone with the
   * first. Other events keep their positions. The log's newest event stays, since
   * the next position derives from it: its stream is refused.
   * @returns whether the stream was removed
   * @throws WrongExpectedVersion where its last event is another one than number `expectedVersion`
   * @throws DriverError `STORE_FAILED` where the file system refused; what is left of it then is removed by `finishPruning`
   */
  prune(stream: string, expectedVersion: number): Promise<boolean>;
  /** Removes what is left of a stream whose removal was cut off, by the end of the process, say. */
  finishPruning(): Promise<void>;
  /**
   * Resolves once everything committed so far would survive a power cut.
   * @throws DriverError `STORE_FAILED` where the disk refused
   */
  flushed(): Promise<void>;
  /** Carries out what was appended, flushes, and ends all followers. */
  close(): Promise<void>;
}
