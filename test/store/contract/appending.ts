/** Tests of appending for every event store. */
import { beforeEach, describe, expect, it } from "vitest";
import type { EventStore } from "../../../src/store/eventStore.ts";
import { WrongExpectedVersion } from "../../../src/store/storeError.ts";
import { labelOf, sampleEvent, samples } from "../../support/history/sampleEvents.ts";

export function appending(opened: () => EventStore): void {
  describe("appending", () => {
    let store: EventStore;
    beforeEach(() => {
      store = opened();
    });

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

    it("refuses a version other than the stream's, names both, and stores nothing", async () => {
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

    it("carries out even many concurrent appends in the order of the calls", async () => {
      const appends = Array.from({ length: 1000 }, (_, index) =>
        store.append("a", index, [sampleEvent(index)]),
      );
      await Promise.all(appends);
      expect([...store.readStream("a")].map(labelOf)).toEqual(
        Array.from({ length: 1000 }, (_, index) => index),
      );
    });

    it("stores the events of a turn's other appends if one append is refused", async () => {
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

    it("checks only the version if there are no events", async () => {
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

    it("refuses data that JSON cannot represent, and data that are too large", async () => {
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

    it("accepts any text of up to 1978 bytes as a stream's name, and keeps all streams separate", async () => {
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

    it("refuses names that are not text, are empty, or are too long", async () => {
      for (const name of ["", "x".repeat(1979), "€".repeat(660), "\ud800"]) {
        await expect(store.append(name, 0, samples("", 1, 1))).rejects.toMatchObject({
          code: "EVENT_INVALID",
        });
        expect(store.version(name)).toBe(0);
        expect([...store.readStream(name)]).toEqual([]);
      }
    });
  });
}
