/**
 * Logs that can be followed: an observable reads on from its subscriber's position. This module is
 * separate from eventStore.ts, so that code that only reads does not load rxjs.
 */
import { NEVER, Observable, Subject, takeUntil } from "rxjs";
import type { EventReader, EventStore, StoredEvent } from "./eventStore.ts";
import { type EventBatch, LogReader, type UsageOf } from "./logReader.ts";
import { BATCH_RECORDS, type RecordTable } from "./recordTable.ts";

export interface FollowableReader extends EventReader {
  /**
   * All events from position `from` on (default 1): those stored already, then
   * new ones, each once and in order. Ends only when the subscriber unsubscribes or the log is closed.
   *
   * Nothing is queued for a subscriber. Reading continues from its position, so a slow subscriber costs no
   * memory. A subscriber that cannot keep up unsubscribes. Later it follows again, from the position after
   * its last event.
   */
  follow(from?: number): Observable<StoredEvent>;
}

export interface FollowableStore extends EventStore, FollowableReader {}

export class FollowableLog extends LogReader implements FollowableReader {
  readonly #commits: Observable<void>;
  readonly #closing = new Subject<void>();

  /** @param commits emits after every commit */
  constructor(table: RecordTable, usageOf: UsageOf, commits: Observable<void>) {
    super(table, usageOf);
    this.#commits = commits;
  }

  follow(from = 1): Observable<StoredEvent> {
    const commits = this.#commits.pipe(takeUntil(this.#closing));
    return followEvents((next) => this.batchFrom(next), commits, from);
  }

  override close(): Promise<void> {
    this.#closing.next();
    return super.close();
  }
}

/** Follows a log that gets no new events, such as a bundle. */
export function followRecorded(reader: EventReader): Observable<StoredEvent> {
  return followEvents((next) => batchFrom(reader, next), NEVER, 1);
}

function batchFrom(reader: EventReader, position: number): EventBatch {
  const events: StoredEvent[] = [];
  for (const event of reader.readIntact(position)) {
    events.push(event);
    if (events.length === BATCH_RECORDS) break;
  }
  return { events, next: (events.at(-1)?.position ?? position - 1) + 1 };
}

/**
 * Reads on from a position. `commits` only says that there are more events. The events themselves always come
 * from the log, by position and a batch at a time. So a subscriber misses no event between reading and
 * waiting, and gets none twice. For a slow subscriber nothing queues up.
 * @param readBatch reads the next events from a position on
 * @param commits emits after every commit, and may emit more often; when it completes, so does the result
 */
function followEvents(
  readBatch: (from: number) => EventBatch,
  commits: Observable<void>,
  from: number,
): Observable<StoredEvent> {
  return new Observable((subscriber) => {
    let next = from;
    let scheduled: NodeJS.Immediate | undefined;

    // One batch per turn of the event loop, so that a long history does not block everything else.
    const readSoon = () => {
      scheduled ??= setImmediate(() => {
        scheduled = undefined;
        readOn();
      });
    };
    const readOn = () => {
      try {
        const batch = readBatch(next);
        if (batch.next > next) readSoon();
        next = batch.next;
        for (const event of batch.events) {
          if (subscriber.closed) return;
          subscriber.next(event);
        }
      } catch (thrown) {
        subscriber.error(thrown);
      }
    };

    // Subscribes before the first read, so that a commit in between causes another read.
    subscriber.add(
      commits.subscribe({
        next: readSoon,
        error: (thrown) => subscriber.error(thrown),
        complete: () => subscriber.complete(),
      }),
    );
    subscriber.add(() => clearImmediate(scheduled));
    readSoon();
  });
}
