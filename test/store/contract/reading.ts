/** Tests of reading that every event store has to pass. */
import { beforeEach, describe, expect, it } from "vitest";
import type { EventStore, StreamEntry } from "../../../src/store/eventStore.ts";
import { findDefect } from "../../support/history/findDefect.ts";
import { labelOf, sampleEvent, samples } from "../../support/history/sampleEvents.ts";

export function reading(opened: () => EventStore): void {
  describe("reading", () => {
    let store: EventStore;
    beforeEach(async () => {
      store = opened();
      for (let seq = 1; seq <= 3; seq++) {
        for (const stream of ["b", "a"]) await store.append(stream, seq - 1, samples(stream, seq, 1));
      }
    });

    it("reads a stream from a number on", () => {
      expect([...store.readStream("a", 2)].map(labelOf)).toEqual(["a 2", "a 3"]);
      expect([...store.readStream("a", 4)]).toEqual([]);
      expect([...store.readStream("nowhere")]).toEqual([]);
    });

    it("returns the position of each stream's last event, and none for an unknown stream", async () => {
      await store.append("long", 0, samples("long", 1, 700));
      const lacking = { ...([...store.streams()][0] as StreamEntry), firstPosition: 99_999 };
      const heads = [...store.streams(), lacking];
      const last = heads.map(({ stream }) => [...store.readStream(stream)].at(-1)?.position);
      expect(store.lastPositions(heads)).toEqual([...last.slice(0, 3), 0]);
      const many = Array.from({ length: 600 }, (_, index) => heads[index % 3] as StreamEntry);
      expect(store.lastPositions(many)).toEqual(many.map((_, index) => last[index % 3]));
    });

    it("reads the index: each stream's events, in the order of the first positions", async () => {
      await store.append("long", 0, samples("long", 1, 9_000));
      const index = [...(store.index() ?? [])];
      expect(index.slice(0, 7)).toEqual([
        { firstPosition: 1, seq: 1, position: 1 },
        { firstPosition: 1, seq: 2, position: 3 },
        { firstPosition: 1, seq: 3, position: 5 },
        { firstPosition: 2, seq: 1, position: 2 },
        { firstPosition: 2, seq: 2, position: 4 },
        { firstPosition: 2, seq: 3, position: 6 },
        { firstPosition: 7, seq: 1, position: 7 },
      ]);
      expect(index).toHaveLength(9_006);
      expect(index.at(-1)).toEqual({ firstPosition: 7, seq: 9_000, position: 9_006 });
      expect([...(store.index(2) ?? [])]).toEqual(index.slice(3));
      expect([...(store.index(3) ?? [])]).toEqual(index.slice(6));
    });

    it("reads all streams by position, from a given position on, without gaps", () => {
      expect([...store.readAll()].map(({ position }) => position)).toEqual([1, 2, 3, 4, 5, 6]);
      expect([...store.readAll(5)].map(labelOf)).toEqual(["b 3", "a 3"]);
      expect([...store.readAll(7)]).toEqual([]);
    });

    it("keeps the order of appends and every given time, even if the clock goes back", async () => {
      const times = [5_000, 4_000, -1, 9_000];
      await store.append(
        "clock",
        0,
        times.map((time) => ({ ...sampleEvent(time), time })),
      );
      expect([...store.readStream("clock")].map(({ time }) => time)).toEqual(times);
      expect([...store.readAll(7)].map(({ position }) => position)).toEqual([7, 8, 9, 10]);
      const head = [...store.streams()].find(({ stream }) => stream === "clock");
      expect(head && findDefect(store.readRecords("clock"), head)).toBeUndefined();
    });

    it("names all streams with their heads", () => {
      const end = (stream: string) => [...store.readStream(stream)].at(-1)?.hash;
      expect([...store.streams()]).toEqual([
        { stream: "a", version: 3, hash: end("a"), firstPosition: 2, state: "running" },
        { stream: "b", version: 3, hash: end("b"), firstPosition: 1, state: "running" },
      ]);
    });

    it("names the streams whose names have a given prefix", async () => {
      const named = (prefix: string) => Array.from(store.streams(prefix), ({ stream }) => stream);
      for (const stream of ["a/1", "a/2", "a0", "ä/1", "a/\u{10ffff}"])
        await store.append(stream, 0, samples(stream, 1, 1));
      expect(named("a/")).toEqual(["a/1", "a/2", "a/\u{10ffff}"]);
      expect(named("a")).toEqual(["a", "a/1", "a/2", "a/\u{10ffff}", "a0"]);
      expect(named("ä")).toEqual(["ä/1"]);
      expect(named("c")).toEqual([]);
      expect(named("")).toHaveLength(7);
    });

    it("returns the records of a stream in the form that verification needs", () => {
      for (const head of store.streams())
        expect(findDefect(store.readRecords(head.stream), head)).toBeUndefined();
      expect([...store.readRecords("a", 3)]).toHaveLength(1);
    });

    it("ends where the log ended when the reading began, and can be begun again", async () => {
      const reading = store.readAll()[Symbol.iterator]();
      reading.next();
      await store.append("a", 3, samples("a", 4, 1));
      let rest = 0;
      while (!reading.next().done) rest += 1;
      expect(rest).toBe(5);
      expect([...store.readAll()]).toHaveLength(7);
    });

    it("continues an iterator that was paused while many events were written", async () => {
      await store.append("long", 0, samples("long", 1, 600));
      const reading = store.readStream("long")[Symbol.iterator]();
      for (let i = 0; i < 256; i++) reading.next();
      for (let seq = 3; seq < 203; seq++) await store.append("a", seq, samples("a", seq + 1, 1));
      const rest: unknown[] = [];
      for (let step = reading.next(); !step.done; step = reading.next()) rest.push(labelOf(step.value));
      expect(rest).toEqual(samples("long", 257, 344).map(labelOf));
    });
  });
}
