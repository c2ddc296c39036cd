/** Tests of `follow` that every event store has to pass. Each append is announced, as the log's file announces it. */
import { firstValueFrom, type Observable, Subject, take, toArray } from "rxjs";
import { beforeEach, describe, expect, it } from "vitest";
import type { EventStore, StoredEvent } from "../../../src/store/eventStore.ts";
import { follow } from "../../../src/store/follow.ts";
import { labelOf, sampleEvent, samples } from "../../support/history/sampleEvents.ts";

export function following(opened: () => EventStore): void {
  describe("following", () => {
    let store: EventStore;
    let followed: (from?: number) => Observable<StoredEvent>;
    let append: EventStore["append"];
    beforeEach(() => {
      store = opened();
      const commits = new Subject<void>();
      followed = (from) => follow(store, commits, from);
      append = async (...events) => {
        const stored = await store.append(...events);
        commits.next();
        return stored;
      };
    });

    it("emits stored events, then new ones, once and in order, to each follower", async () => {
      await append("a", 0, samples("a", 1, 300));
      const both = [1, 2].map(() => firstValueFrom(followed().pipe(take(303), toArray())));
      await append("b", 0, samples("b", 1, 2));
      await append("a", 300, samples("a", 301, 1));
      for (const seen of await Promise.all(both)) expect(seen).toEqual([...store.readAll()]);
    });

    it("begins at a position, which may be beyond the last event", async () => {
      await append("a", 0, samples("a", 1, 2));
      const fromTwo = firstValueFrom(followed(2).pipe(take(3), toArray()));
      const fromFour = firstValueFrom(followed(4));
      await append("a", 2, samples("a", 3, 2));
      expect((await fromTwo).map(({ position }) => position)).toEqual([2, 3, 4]);
      expect((await fromFour).position).toBe(4);
    });

    it("emits nothing more once unsubscribed, even while it emits", async () => {
      await append("a", 0, samples("a", 1, 5));
      const seen: StoredEvent[] = [];
      const subscription = followed().subscribe((event) => {
        seen.push(event);
        if (event.position === 3) subscription.unsubscribe();
      });
      await firstValueFrom(followed(5));
      await append("a", 5, samples("a", 6, 1));
      await firstValueFrom(followed(6));
      expect(seen.map(({ position }) => position)).toEqual([1, 2, 3]);
    });

    it("lets a follower append", async () => {
      const echoes = firstValueFrom(followed().pipe(take(6), toArray()));
      const answering = followed().subscribe((event) => {
        if (event.stream === "a")
          void append("echo", event.seq - 1, [sampleEvent(`echo of ${labelOf(event)}`)]);
      });
      for (let seq = 0; seq < 3; seq++) await append("a", seq, samples("a", seq + 1, 1));
      await echoes;
      answering.unsubscribe();
      expect([...store.readStream("echo")].map(labelOf)).toEqual([
        "echo of a 1",
        "echo of a 2",
        "echo of a 3",
      ]);
    });
  });
}
