/**
 * Follows a log. This module is separate from eventStore.ts, so that code that only reads does not load rxjs.
 */
import { Observable } from "rxjs";
import type { EventReader, StoredEvent } from "./eventStore.ts";

/**
 * All events from a position on: those stored already, then new ones, each once and in order. `commits` only says that
 * there are more events. The events themselves always come from the log, by position and a batch at a time. So a
 * subscriber misses no event between reading and waiting, and gets none twice.
 *
 * Nothing is queued for a subscriber. Reading continues from its position, so a slow subscriber costs no memory. A
 * subscriber that cannot keep up unsubscribes. Later it follows again, from the position after its last event.
 * @param commits emits after every commit, and may emit more often; when it completes, so does the result
 */
export function follow(
  reader: Pick<EventReader, "batchFrom">,
  commits: Observable<void>,
  from = 1,
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
        const batch = reader.batchFrom(next);
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
