/** Logs to which events come, and their followers. Apart from eventStore.ts: who only reads what is there needs no rxjs. */
import { NEVER, type Observable, Subject, takeUntil } from "rxjs";
import type { EventReader, EventStore, StoredEvent } from "./eventStore.ts";
import { followEvents } from "./followEvents.ts";
import { LogReader } from "./logReader.ts";
import { BATCH_RECORDS, type RecordTable } from "./recordTable.ts";

export interface FollowableReader extends EventReader {
  /**
   * All events from position `from` on (default 1): those stored already, then
   * those to come, each once and in order. Ends only when unsubscribed or closed.
   *
   * Nothing is queued for a subscriber: it is read on from where it stands, so a
   * slow one costs no memory. One that cannot keep up with what it is handed
   * unsubscribes, and follows again from its last position + 1 later.
   */
  follow(from?: number): Observable<StoredEvent>;
}

export interface FollowableStore extends EventStore, FollowableReader {}

export class FollowableLog extends LogReader implements FollowableReader {
  readonly #commits: Observable<void>;
  readonly #closing = new Subject<void>();

  /** @param commits emits after every commit */
  constructor(table: RecordTable, commits: Observable<void>) {
    super(table);
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

/** The events of a log to which nothing comes, such as a bundle's, handed out as those of others are. */
export function followRecorded(reader: EventReader): Observable<StoredEvent> {
  return followEvents((next) => [...someFrom(reader, next)], NEVER, 1);
}

function* someFrom(reader: EventReader, position: number): Iterable<StoredEvent> {
  let left = BATCH_RECORDS;
  for (const event of reader.readAll(position)) {
    yield event;
    left -= 1;
    if (left === 0) return;
  }
}
