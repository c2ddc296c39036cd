/**
 * Following a log: an observable that reads on from where its subscriber stands.
 *
 * What wakes it says only that there is more. Events are always read from the
 * log itself, by position and a batch at a time, so none is missed between
 * reading and waiting, none comes twice, and nothing piles up for a subscriber
 * that is slow or asleep.
 */
import { Observable } from "rxjs";
import type { StoredEvent } from "./eventStore.ts";

/**
 * @param readBatch the next events from a position on; empty where there are none yet
 * @param commits emits after every commit (and may do so more often); its end ends the follower
 */
export function followEvents(
  readBatch: (from: number) => readonly StoredEvent[],
  commits: Observable<void>,
  from: number,
): Observable<StoredEvent> {
  return new Observable((subscriber) => {
    let next = from;
    let scheduled: NodeJS.Immediate | undefined;

    // One batch a turn of the event loop: a long history must not hold up everything else.
    const readSoon = () => {
      scheduled ??= setImmediate(() => {
        scheduled = undefined;
        readOn();
      });
    };
    const readOn = () => {
      try {
        const batch = readBatch(next);
        if (batch.length > 0) readSoon();
        for (const event of batch) {
          if (subscriber.closed) return;
          next = event.position + 1;
          subscriber.next(event);
        }
      } catch (thrown) {
        subscriber.error(thrown);
      }
    };

    // Listening comes before the first look: a commit in between wakes it once more.
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
