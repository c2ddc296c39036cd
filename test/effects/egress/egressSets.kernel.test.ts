import { closeSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createMap, deleteEntries, keysOf } from "../../../src/effects/bpf/bpf.ts";
import { entryLayout, setOf } from "../../../src/effects/egress/egressEntries.ts";
import { RuleSets } from "../../../src/effects/egress/egressSets.ts";

let map: number;
let sets: RuleSets;
beforeEach(() => {
  const { bytes, valueBytes } = entryLayout;
  map = createMap({ type: "prefixTrie", keyBytes: bytes, valueBytes, entries: 2 ** 20 });
  sets = new RuleSets(map, true);
});
afterEach(() => closeSync(map));

const termsOf = (
  egress: readonly string[],
  names: ReadonlyMap<string, readonly string[]> = new Map(),
  egressDenied: readonly string[] = [],
) => ({ egress, egressDenied, names });
const keys = () => keysOf(map, entryLayout.bytes);
const numbers = () => new Set(keys().map(setOf));

describe("a set of rules", () => {
  it("is shared by tasks with the same lists and addresses, and by no others", () => {
    const first = sets.hold(
      termsOf(["tcp:10.0.0.1", "tcp:a.example"], new Map([["a.example", ["10.0.0.2"]]])),
    );
    const same = sets.hold(
      termsOf(["tcp:10.0.0.1", "tcp:a.example"], new Map([["a.example", ["10.0.0.2"]]])),
    );
    expect(same).toMatchObject({ number: first.number, flags: first.flags });
    expect(keys()).toHaveLength(2);
    const others = [
      termsOf(["tcp:10.0.0.1", "tcp:a.example"], new Map([["a.example", ["10.0.0.3"]]])),
      termsOf(["tcp:10.0.0.1"]),
      termsOf(["tcp:10.0.0.1"], new Map(), ["tcp:10.0.0.2"]),
      { ...termsOf([]), egress: undefined, egressDenied: ["tcp:10.0.0.1"] },
    ].map((terms) => sets.hold(terms));
    expect(new Set([first, ...others].map(({ number }) => number)).size).toBe(5);
    expect(others.map(({ flags }) => flags)).toEqual([1, 1, 3, 2]);
    expect(keys()).toHaveLength(8);
  });

  it("stays after its last task for the next one, also if another process has swept it", () => {
    const terms = termsOf(["tcp:10.0.0.1", "tcp:10.0.0.2"]);
    const held = sets.hold(terms);
    held[Symbol.dispose]();
    held[Symbol.dispose]();
    expect(sets.numbers).toEqual(new Set([held.number]));
    expect(sets.hold(terms).number).toBe(held.number);
    expect(keys()).toHaveLength(2);
    const other = termsOf(["tcp:10.0.0.3"]);
    sets.hold(other)[Symbol.dispose]();
    deleteEntries(map, keys());
    sets.hold(other);
    expect(keys()).toHaveLength(1);
    expect(numbers()).not.toContain(held.number);
  });

  it("goes if too many are unused, the oldest first, and never one that a task has", () => {
    const listOf = (number: number) =>
      termsOf(Array.from({ length: 256 }, (_, index) => `tcp:10.${number}.0.${index}`));
    const held = sets.hold(listOf(0));
    const unused = Array.from({ length: 20 }, (_, index) => {
      const set = sets.hold(listOf(index + 1));
      set[Symbol.dispose]();
      return set.number;
    });
    expect(numbers()).toEqual(new Set([held.number, ...unused.slice(-16)]));
    expect(sets.numbers).toEqual(numbers());
    expect(keys()).toHaveLength(17 * 256);
  });
});
