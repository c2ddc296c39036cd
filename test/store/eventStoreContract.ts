/** What every event store has to do. Each implementation runs this same suite. */
import fc from "fast-check";
import { firstValueFrom, take, toArray } from "rxjs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DriverError } from "../../src/errors.ts";
import type { EventStore, EventToAppend, StoredEvent } from "../../src/store/eventStore.ts";
import { findDefect } from "../../src/store/verifyStream.ts";
import { WrongExpectedVersion } from "../../src/store/wrongExpectedVersion.ts";

/** An event that tells which one it is. */
export function sampleEvent(label: string | number, data: unknown = { label }): EventToAppend {
  return {
    type: "signalled",
    schema: 1,
    time: 1_764_000_000_123.5,
    data,
    from: "running",
    to: "running",
    effects: ["sendStopSignal", "startKillTimer"],
  };
}

export const labelOf = (event: EventToAppend): unknown => (event.data as { label: unknown }).label;

/** Events 1, 2, … of a stream, labelled with its name and their number. */
export function samples(stream: string, from: number, count: number): EventToAppend[] {
  return Array.from({ length: count }, (_, index) => sampleEvent(`${stream} ${from + index}`));
}

/** @param open an empty store; the suite closes it */
export function eventStoreContract(name: string, open: () => Promise<EventStore>): void {
  describe(`contract of event stores: ${name}`, () => {
    let store: EventStore;
    beforeEach(async () => {
      store = await open();
    });
    afterEach(() => store.close());

    describe("appending", () => {
      it("numbers events in their stream and in the log, and returns them as they are read", async () => {
        const stored = await store.append("a", 0, samples("a", 1, 2));
        expect(stored.map(({ stream, seq, position }) => [stream, seq, position])).toEqual([
          ["a", 1, 1],
          ["a", 2, 2],
        ]);
        expect(stored[0]).toMatchObject(sampleEvent("a 1"));
        expect([...store.readStream("a")]).toEqual(stored);
        expect(stored[0]?.hash).toMatch(/^[0-9a-f]{64}$/);
        expect(stored[0]?.hash).not.toBe(stored[1]?.hash);
      });

      it("refuses another version than the stream's, telling both, and stores nothing", async () => {
        await store.append("a", 0, samples("a", 1, 2));
        for (const expected of [0, 1, 3]) {
          const refusal = store.append("a", expected, samples("a", 9, 1));
          await expect(refusal).rejects.toMatchObject({
            code: "WRONG_EXPECTED_VERSION",
            expected,
            current: 2,
          });
          await expect(refusal).rejects.toThrow(`version 2, not at ${expected}`);
          await expect(refusal).rejects.toBeInstanceOf(WrongExpectedVersion);
        }
        await expect(store.append("new", 1, samples("new", 2, 1))).rejects.toMatchObject({ current: 0 });
        expect(store.version("a")).toBe(2);
        expect(store.version("new")).toBe(0);
        expect(store.lastPosition()).toBe(2);
      });

      it("lets exactly one of many concurrent appends to a stream win, the first", async () => {
        const outcomes = await Promise.allSettled(
          Array.from({ length: 20 }, (_, index) => store.append("a", 0, [sampleEvent(index)])),
        );
        expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", ...Array(19).fill("rejected")]);
        expect([...store.readStream("a")].map(labelOf)).toEqual([0]);
      });

      it("carries appends out in the order of the calls, also when many are under way", async () => {
        const appends = Array.from({ length: 1000 }, (_, index) =>
          store.append("a", index, [sampleEvent(index)]),
        );
        await Promise.all(appends);
        expect([...store.readStream("a")].map(labelOf)).toEqual(
          Array.from({ length: 1000 }, (_, index) => index),
        );
      });

      it("keeps what else was appended in the same turn when one is refused", async () => {
        const [first, refused, second] = await Promise.allSettled([
          store.append("a", 0, [sampleEvent("first")]),
          store.append("a", 7, [sampleEvent("refused")]),
          store.append("a", 1, [sampleEvent("second")]),
        ]);
        expect([first.status, refused.status, second.status]).toEqual(["fulfilled", "rejected", "fulfilled"]);
        expect([...store.readAll()].map((event) => [labelOf(event), event.position])).toEqual([
          ["first", 1],
          ["second", 2],
        ]);
      });

      it("takes no events as a check of the version alone", async () => {
        await expect(store.append("a", 0, [])).resolves.toEqual([]);
        await expect(store.append("a", 1, [])).rejects.toMatchObject({ code: "WRONG_EXPECTED_VERSION" });
        expect([...store.streams()]).toEqual([]);
        expect(store.lastPosition()).toBe(0);
      });

      it("stores data as they were at the call", async () => {
        const data = { label: "before" };
        const appended = store.append("a", 0, [sampleEvent("", data)]);
        data.label = "after";
        await appended;
        expect([...store.readStream("a")].map(labelOf)).toEqual(["before"]);
      });

      it("stores a megabyte of data", async () => {
        const data = {
          label: "big",
          text: "äöü€😀".repeat(90_000),
          list: Array.from({ length: 10_000 }, (_, i) => i),
        };
        await store.append("a", 0, [sampleEvent("", data), sampleEvent("after")]);
        expect([...store.readStream("a")].map(({ data }) => data)).toEqual([data, { label: "after" }]);
      });

      it("refuses data that cannot be stored, and more than it holds", async () => {
        const cycle: unknown[] = [];
        cycle.push(cycle);
        const tooMuch = { text: "x".repeat(9 << 20) };
        const odd = [
          () => undefined,
          Symbol("s"),
          1n,
          new Date(0),
          new Map(),
          Buffer.from("b"),
          new Error("e"),
        ];
        for (const data of [cycle, tooMuch, ...odd, ...odd.map((each) => ({ list: [each] }))]) {
          await expect(store.append("a", 0, [sampleEvent("", data)])).rejects.toMatchObject({
            code: "EVENT_INVALID",
          });
        }
        expect(store.version("a")).toBe(0);
      });

      it("takes any text of up to 1978 bytes as a stream's name, and keeps all apart", async () => {
        const names = [
          "a",
          "a\0",
          "\0",
          "a/b/0123abcd",
          "ä",
          "a\u0308",
          "😀",
          " ",
          "__proto__",
          "é".repeat(989),
          "x".repeat(1978),
        ];
        for (const name of names) await store.append(name, 0, [sampleEvent(name)]);
        for (const name of names) expect([...store.readStream(name)].map(labelOf)).toEqual([name]);
        const byBytes = [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
        expect([...store.streams()].map(({ stream }) => stream)).toEqual(byBytes);
      });

      it("refuses names that are no text, none, or too long", async () => {
        for (const name of ["", "x".repeat(1979), "€".repeat(660), "\ud800"]) {
          await expect(store.append(name, 0, samples("", 1, 1))).rejects.toMatchObject({
            code: "EVENT_INVALID",
          });
          expect(store.version(name)).toBe(0);
          expect([...store.readStream(name)]).toEqual([]);
        }
      });
    });

    describe("reading", () => {
      beforeEach(async () => {
        for (let seq = 1; seq <= 3; seq++) {
          for (const stream of ["b", "a"]) await store.append(stream, seq - 1, samples(stream, seq, 1));
        }
      });

      it("reads a stream from a number on", () => {
        expect([...store.readStream("a", 2)].map(labelOf)).toEqual(["a 2", "a 3"]);
        expect([...store.readStream("a", 4)]).toEqual([]);
        expect([...store.readStream("nowhere")]).toEqual([]);
      });

      it("reads all streams by position, from one on, without gaps", () => {
        expect([...store.readAll()].map(({ position }) => position)).toEqual([1, 2, 3, 4, 5, 6]);
        expect([...store.readAll(5)].map(labelOf)).toEqual(["b 3", "a 3"]);
        expect([...store.readAll(7)]).toEqual([]);
      });

      it("names all streams with their heads", () => {
        const end = (stream: string) => [...store.readStream(stream)].at(-1)?.hash;
        expect([...store.streams()]).toEqual([
          { stream: "a", version: 3, hash: end("a") },
          { stream: "b", version: 3, hash: end("b") },
        ]);
      });

      it("gives the records of a stream as verification takes them", () => {
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

      it("reads on from an iterator that rested while much was written", async () => {
        await store.append("long", 0, samples("long", 1, 600));
        const reading = store.readStream("long")[Symbol.iterator]();
        for (let i = 0; i < 256; i++) reading.next();
        for (let seq = 3; seq < 203; seq++) await store.append("a", seq, samples("a", seq + 1, 1));
        const rest: unknown[] = [];
        for (let step = reading.next(); !step.done; step = reading.next()) rest.push(labelOf(step.value));
        expect(rest).toEqual(samples("long", 257, 344).map(labelOf));
      });
    });

    describe("following", () => {
      it("emits what is stored, then what comes, once and in order, to each follower", async () => {
        await store.append("a", 0, samples("a", 1, 300));
        const both = [1, 2].map(() => firstValueFrom(store.follow().pipe(take(303), toArray())));
        await store.append("b", 0, samples("b", 1, 2));
        await store.append("a", 300, samples("a", 301, 1));
        for (const seen of await Promise.all(both)) expect(seen).toEqual([...store.readAll()]);
      });

      it("begins at a position, which may be yet to come", async () => {
        await store.append("a", 0, samples("a", 1, 2));
        const fromTwo = firstValueFrom(store.follow(2).pipe(take(3), toArray()));
        const fromFour = firstValueFrom(store.follow(4));
        await store.append("a", 2, samples("a", 3, 2));
        expect((await fromTwo).map(({ position }) => position)).toEqual([2, 3, 4]);
        expect((await fromFour).position).toBe(4);
      });

      it("emits nothing more once unsubscribed, from within as well", async () => {
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
        await ended;
      });
    });

    describe("closing", () => {
      it("stores what was appended before, refuses everything after, and may be repeated", async () => {
        const appended = store.append("a", 0, samples("a", 1, 1));
        const closed = store.close();
        expect(store.close()).toBe(closed);
        await expect(appended).resolves.toHaveLength(1);
        await closed;
        await expect(store.append("a", 1, samples("a", 2, 1))).rejects.toMatchObject({
          code: "STORE_FAILED",
        });
        expect(() => store.lastPosition()).toThrow(DriverError);
        expect(() => [...store.readAll()]).toThrow("closed");
      });

      it("ends an iterator with an error, not with the process", async () => {
        await store.append("a", 0, samples("a", 1, 600));
        const reading = store.readAll()[Symbol.iterator]();
        reading.next();
        await store.close();
        expect(() => {
          while (!reading.next().done);
        }).toThrow("closed");
      });
    });

    it("equals a plain list of events, whatever is appended", async () => {
      const stream = fc.constantFrom("a", "b", "c", "ä");
      const data = fc.record({
        label: fc.oneof(
          fc.string({ unit: "grapheme" }),
          fc.double().map((n) => n + 0),
          fc.integer(),
        ),
      });
      const append = fc.record({
        stream,
        behind: fc.constantFrom(0, 0, 0, 1),
        data: fc.array(data, { maxLength: 3 }),
        wait: fc.boolean(),
      });
      let round = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(append, { maxLength: 12 }), async (appends) => {
          round += 1;
          const base = store.lastPosition();
          const model: { stream: string; seq: number; data: unknown }[] = [];
          const running: Promise<unknown>[] = [];
          for (const { stream, behind, data, wait } of appends) {
            const name = `${round} ${stream}`;
            const version = model.filter((event) => event.stream === name).length;
            const appended = store.append(
              name,
              version + behind,
              data.map((each) => sampleEvent("", each)),
            );
            if (behind === 0)
              model.push(
                ...data.map((each, index) => ({ stream: name, seq: version + index + 1, data: each })),
              );
            running.push(behind === 0 ? appended : expect(appended).rejects.toThrow(WrongExpectedVersion));
            if (wait) await appended.catch(() => undefined);
          }
          await Promise.all(running);
          const all = [...store.readAll(base + 1)];
          expect(all.map(({ position }) => position)).toEqual(all.map((_, index) => base + index + 1));
          expect(all.map(({ stream, seq, data }) => ({ stream, seq, data }))).toEqual(model);
          for (const name of new Set(model.map((event) => event.stream))) {
            expect([...store.readStream(name)]).toEqual(all.filter((event) => event.stream === name));
          }
        }),
        { numRuns: 60 },
      );
    });
  });
}
