import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { pairwise } from "./pairs.ts";

const sizes = fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 8 });

describe("combinations of levels", () => {
  it("contain every pair of levels of every two factors", () => {
    fc.assert(
      fc.property(sizes, (counts) => {
        const rows = pairwise(counts);
        for (const [a, sizeA] of counts.entries()) {
          for (const [b, sizeB] of counts.entries()) {
            if (a === b) continue;
            const seen = new Set(rows.map((row) => `${row[a]} ${row[b]}`));
            expect(seen.size).toBe(sizeA * sizeB);
          }
        }
        for (const row of rows) {
          expect(row).toHaveLength(counts.length);
          expect(row.every((level, factor) => level >= 0 && level < (counts[factor] ?? 0))).toBe(true);
        }
      }),
    );
  });

  it("are far fewer than all", () => {
    expect(pairwise(Array(10).fill(2)).length).toBeLessThanOrEqual(12);
    expect(pairwise([9, 6, 2, 2, 2, 2]).length).toBeLessThanOrEqual(60);
  });
});
