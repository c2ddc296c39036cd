/** Logs that can be followed. Not in eventStore.ts, so that code that only reads does not load rxjs. */
import { NEVER, type Observable, Subject, takeUntil } from "rxjs";
import type { EventReader, EventStore, StoredEvent } from "./eventStore.ts";
import { followEvents } from "./followEvents.ts";
import { type EventBatch, LogReader, type UsageOf } from "./logReader.ts";
import { BATCH_RECORDS, type RecordTable } from "./recordTable.ts";

export interface FollowableReader extends EventReader {
  /**
   * All events from position `from` on (default 1): those stored already, then
   * new ones, each once and in order. Ends only when unsubscribed or closed.
   *
   * Nothing is queued for a subscriber. Reading continues from its position, so a
   * slow one costs no memory. A subscriber that cannot keep up unsubscribes, and
   * later follows again from its last position + 1.
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
