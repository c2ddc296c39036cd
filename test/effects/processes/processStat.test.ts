import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  descendantsOf,
  type ProcessStat,
  parseResidentPages,
  parseStat,
} from "../../../src/effects/processes/processStat.ts";

const line = (pid: number, name: string, state: string, startTicks: number) =>
  `${pid} (${name}) ${state} 1 2 3 0 -1 4194560 9 9 0 0 101 102 103 104 20 0 1 0 ${startTicks} 4096 105 18446744073709551615\n`;

const figures = {
  parent: 1,
  group: 2,
  userTicks: 101,
  systemTicks: 102,
  childUserTicks: 103,
  childSystemTicks: 104,
  isEnding: false,
};

describe("a line of /proc/<pid>/stat", () => {
  it("gives pid, state and times, whatever the program is called", () => {
    const name = fc.oneof(fc.string({ maxLength: 15 }), fc.constantFrom(") R 1 2 (", "a b", "((", "))", ""));
    fc.assert(
      fc.property(
        fc.integer({ min: 1 }),
        name,
        fc.constantFrom("R", "S", "Z"),
        fc.nat(),
        (pid, comm, state, startTicks) => {
          expect(parseStat(line(pid, comm, state, startTicks))).toEqual({
            pid,
            state,
            session: 3,
            startTicks,
            ...figures,
          });
        },
      ),
    );
  });

  it.each([
    ["of a process that waits", 0x40_0100, 0, false],
    ["of one that is ending", 0x40_0104, 0, true],
    ["of one that a signal ends", 0x40_0500, 0, true],
    ["of one that has not noticed its SIGKILL yet", 0x40_0100, 0x100, true],
    ["of one with a pending SIGTERM", 0x40_0100, 0x4000, false],
  ])("%s tells whether it goes on", (_, flags, pending, isEnding) => {
    const text = `7 (sh) S 1 2 3 0 -1 ${flags} 9 9 0 0 1 2 3 4 20 0 1 0 50 4096 105 99 1 2 3 0 0 ${pending} 0 0\n`;
    expect(parseStat(text)).toMatchObject({ startTicks: 50, isEnding });
  });

  it.each(["", "12", "12 (sh", "12 (sh)", "12 (sh) S 1 2", "x (sh) S".padEnd(60, " 1")])(
    "is refused: %j",
    (text) => {
      expect(parseStat(text)).toBeUndefined();
    },
  );
});

describe("a line of /proc/<pid>/statm", () => {
  it.each([
    ["2197 412 380 7 0 112 0\n", 412],
    ["0 0 0 0 0 0 0\n", 0],
    ["", 0],
  ])("%j has %i resident pages", (line, pages) => {
    expect(parseResidentPages(line)).toBe(pages);
  });
});

const process = (pid: number, parent: number) => ({ pid, parent }) as ProcessStat;

/** By the definition: a process descends if its parent is an ancestor or descends. */
function byDefinition(ancestors: readonly number[], others: readonly ProcessStat[]): Set<number> {
  const found = new Set<number>();
  for (let size = -1; size < found.size; ) {
    size = found.size;
    for (const { pid, parent } of others) {
      if (ancestors.includes(parent) || found.has(parent)) found.add(pid);
    }
  }
  return found;
}

describe("processes that descend from others", () => {
  it("are found as the definition says, however parents and children are numbered", () => {
    const pid = fc.integer({ min: 1, max: 12 });
    const others = fc.uniqueArray(fc.tuple(pid, pid), { selector: ([number]) => number });
    fc.assert(
      fc.property(fc.uniqueArray(pid), others, (ancestors, pairs) => {
        const stats = pairs.map(([number, parent]) => process(number, parent));
        const found = descendantsOf(ancestors, stats).map(({ pid }) => pid);
        expect(new Set(found)).toEqual(byDefinition(ancestors, stats));
        expect(found.length).toBe(new Set(found).size);
      }),
    );
  });

  it("are visited once each, in a chain as well as among siblings", () => {
    const count = 4000;
    for (const parentOf of [(pid: number) => pid - 1, (pid: number) => pid + 1, () => 1]) {
      let looks = 0;
      const others = Array.from({ length: count }, (_, index) => {
        const pid = index + 2;
        const parent = parentOf(pid);
        return Object.defineProperty(process(pid, parent), "parent", {
          get: () => {
            looks += 1;
            return parent;
          },
        });
      });
      expect(descendantsOf([1, count + 2], others).length).toBe(count);
      expect(looks).toBe(count);
    }
  });
});
