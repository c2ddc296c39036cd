import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ProcessStat } from "../../../src/effects/processes/processStat.ts";
import { descendantsOf } from "../../../src/effects/stats/descendants.ts";

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
