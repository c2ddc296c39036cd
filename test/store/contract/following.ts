/** Tests of `follow` that every event store has to pass. */
import { firstValueFrom, take, toArray } from "rxjs";
import { beforeEach, describe, expect, it } from "vitest";
import type { StoredEvent } from "../../../src/store/eventStore.ts";
import type { FollowableStore } from "../../../src/store/followableLog.ts";
import { labelOf, sampleEvent, samples } from "../../support/history/sampleEvents.ts";

export function following(opened: () => FollowableStore): void {
  describe("following", () => {
    let store: FollowableStore;
    beforeEach(() => {
      store = opened();
    });

    it("emits stored events, then new ones, once and in order, to each follower", async () => {
      await store.append("a", 0, samples("a", 1, 300));
      const both = [1, 2].map(() => firstValueFrom(store.follow().pipe(take(303), toArray())));
      await store.append("b", 0, samples("b", 1, 2));
      await store.append("a", 300, samples("a", 301, 1));
      for (const seen of await Promise.all(both)) expect(seen).toEqual([...store.readAll()]);
    });

    it("begins at a position, which may be beyond the last event", async () => {
      await store.append("a", 0, samples("a", 1, 2));
      const fromTwo = firstValueFrom(store.follow(2).pipe(take(3), toArray()));
      const fromFour = firstValueFrom(store.follow(4));
      await store.append("a", 2, samples("a", 3, 2));
      expect((await fromTwo).map(({ position }) => position)).toEqual([2, 3, 4]);
      expect((await fromFour).position).toBe(4);
    });

    it("emits nothing more once unsubscribed, even while it emits", async () => {
      await store.append("a", 0, samples("a", 1, 5));
      const seen: StoredEvent[] = [];
      const subscription = store.follow().subscribe((event) => {
        seen.push(event);
        if (event.position === 3) subscription.unsubscribe();
      });
      await firstValueFrom(store.follow(5));
      await store.append("a", 5, samples("a", 6, 1));
      await firstValueFrom(store.follow(6));
      expect(seen.map(({ position }) => position)).toEqual([1, 2, 3]);
    });

    it("lets a follower append", async () => {
      const echoes = firstValueFrom(store.follow().pipe(take(6), toArray()));
      store.follow().subscribe((event) => {
        if (event.stream === "a")
          void store.append("echo", event.seq - 1, [sampleEvent(`echo of ${labelOf(event)}`)]);
      });
      for (let seq = 0; seq < 3; seq++) await store.append("a", seq, samples("a", seq + 1, 1));
      await echoes;
      expect([...store.readStream("echo")].map(labelOf)).toEqual([
        "echo of a 1",
        "echo of a 2",
        "echo of a 3",
      ]);
    });

    it("completes when the store is closed", async () => {
      const ended = new Promise<void>((resolve, reject) => {
        store.follow().subscribe({ complete: resolve, error: reject });
      });
      await store.close();
      await expect(ended).resolves.toBeUndefined();
    });
  });
}
