/**
 * Follows a log: an observable that reads on from its subscriber's position.
 *
 * A wake-up only says that there are more events. The events themselves always come from the log, by position
 * and a batch at a time. So a subscriber misses no event between reading and waiting, and gets none twice.
 * For a slow subscriber nothing queues up.
 */
import { Observable } from "rxjs";
import type { StoredEvent } from "./eventStore.ts";
import type { EventBatch } from "./logReader.ts";

/**
 * @param readBatch reads the next events from a position on
 * @param commits emits after every commit (and may do so more often); its end ends the follower
 */
export function followEvents(
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
