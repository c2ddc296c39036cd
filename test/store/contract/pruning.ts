/** Tests of the removal of streams, for every event store. */
import { Subject } from "rxjs";
import { beforeEach, describe, expect, it } from "vitest";
import type { EventStore, StoredEvent } from "../../../src/store/eventStore.ts";
import { follow } from "../../../src/store/follow.ts";
import { findDefect } from "../../support/history/findDefect.ts";
import { labelOf, sampleEvent, samples } from "../../support/history/sampleEvents.ts";

export function pruning(opened: () => EventStore): void {
  describe("pruning", () => {
    let store: EventStore;
    beforeEach(async () => {
      store = opened();
      for (let seq = 1; seq <= 3; seq++) {
        for (const stream of ["old", "mid", "new"])
          await store.append(stream, seq - 1, samples(stream, seq, 1));
      }
    });

    const namesOf = (heads: Iterable<{ stream: string }>) => Array.from(heads, ({ stream }) => stream);

    it("removes a stream and nothing else: others keep their positions and chains", async () => {
      expect(await store.prune("mid", 3)).toBe(true);
      expect(namesOf(store.streams())).toEqual(["new", "old"]);
      expect([...store.readStream("mid")]).toEqual([]);
      expect(store.version("mid")).toBe(0);
      expect([...store.readAll()].map(({ position }) => position)).toEqual([1, 3, 4, 6, 7, 9]);
      expect([...store.readAll(2)].map(labelOf)).toEqual(["new 1", "old 2", "new 2", "old 3", "new 3"]);
      for (const head of store.streams()) {
        expect(findDefect(store.readRecords(head.stream), head)).toBeUndefined();
      }
    });

    it("continues with unused positions, and treats a reused name as a new stream", async () => {
      await store.prune("old", 3);
      const [event] = await store.append("old", 0, samples("old", 1, 1));
      expect(event).toMatchObject({ seq: 1, position: 10 });
      expect([...store.readStream("old")].map(labelOf)).toEqual(["old 1"]);
      expect(namesOf(store.streamsByAge())).toEqual(["mid", "new", "old"]);
    });

    it("leaves the log's newest event alone", async () => {
      expect(await store.prune("new", 3)).toBe(false);
      expect([...store.readStream("new")]).toHaveLength(3);
      await store.append("old", 3, samples("old", 4, 1));
      expect(await store.prune("new", 3)).toBe(true);
      expect(store.lastPosition()).toBe(10);
    });

    it("is refused after another append, and for unknown streams", async () => {
      await expect(store.prune("old", 2)).rejects.toMatchObject({
        code: "WRONG_EXPECTED_VERSION",
        current: 3,
      });
      expect([...store.readStream("old")]).toHaveLength(3);
      expect(await store.prune("nowhere", 0)).toBe(false);
    });

    it("names any number of streams, the oldest first", async () => {
      expect(namesOf(store.streamsByAge())).toEqual(["old", "mid", "new"]);
      for (let at = 0; at < 600; at++) await store.append(`s${at}`, 0, samples(`s${at}`, 1, 1));
      expect(namesOf(store.streamsByAge()).slice(3)).toEqual(
        Array.from({ length: 600 }, (_, at) => `s${at}`),
      );
    });

    it("returns the size, which decreases after a stream is removed", async () => {
      await store.append(
        "big",
        0,
        Array.from({ length: 500 }, () => sampleEvent("x".repeat(2_000))),
      );
      await store.append("old", 3, samples("old", 4, 1));
      const before = store.bytes();
      expect(before).toBeGreaterThan(1_000_000);
      await store.prune("big", 500);
      expect(store.bytes()).toBeLessThan(before - 900_000);
      expect([...store.readAll()].map(({ position }) => position).at(-1)).toBe(510);
    });

    it("does not disturb concurrent readers and followers", async () => {
      await store.append("long", 0, samples("long", 1, 600));
      await store.append("old", 3, samples("old", 4, 1));
      const all = store.readAll()[Symbol.iterator]();
      const stream = store.readStream("long")[Symbol.iterator]();
      for (const reading of [all, stream]) reading.next();
      const followed: StoredEvent[] = [];
      const last = Promise.withResolvers<void>();
      const commits = new Subject<void>();
      const following = follow(store, commits).subscribe((event) => {
        followed.push(event);
        if (event.stream === "end") last.resolve();
      });
      await store.prune("long", 600);
      const rest = (reading: Iterator<StoredEvent>) => {
        const positions: number[] = [];
        for (let step = reading.next(); !step.done; step = reading.next())
          positions.push(step.value.position);
        return positions;
      };
      for (const positions of [rest(all), rest(stream)]) {
        expect(positions).toEqual([...new Set(positions)].sort((a, b) => a - b));
      }
      await store.append("end", 0, samples("end", 1, 1));
      commits.next();
      await last.promise;
      following.unsubscribe();
      const positions = followed.map(({ position }) => position);
      expect(positions).toEqual([...new Set(positions)].sort((a, b) => a - b));
      expect(positions.slice(-2)).toEqual([610, 611]);
    });
  });
}
