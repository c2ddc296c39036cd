import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { align, type Pair } from "../../../src/history/replay/alignment.ts";

const letters = (text: string) => [...text];
const own = (letter: string) => letter;

/** Draws the alignment as textbooks do: `ab-c` above `a-xc`. */
function drawn(pairs: readonly Pair<string>[]): [string, string] {
  return [pairs.map(({ left = "-" }) => left).join(""), pairs.map(({ right = "-" }) => right).join("")];
}

/** Length of a longest common subsequence, computed by its definition. */
function longestCommon(a: string, b: string): number {
  if (a === "" || b === "") return 0;
  const [first, rest] = [a.charAt(0), a.slice(1)];
  const at = b.indexOf(first);
  return Math.max(longestCommon(rest, b), at === -1 ? 0 : 1 + longestCommon(rest, b.slice(at + 1)));
}

const word = fc.string({ unit: fc.constantFrom("r", "f", "s", "x"), maxLength: 9 });
const anyLength = fc.string({ unit: fc.constantFrom("r", "f", "s", "x"), maxLength: 80 });

describe("an alignment", () => {
  it.each([
    ["", "", "", ""],
    ["abc", "abc", "abc", "abc"],
    ["abc", "", "abc", "---"],
    ["", "abc", "---", "abc"],
    ["abxd", "abyd", "abx-d", "ab-yd"],
    ["abcd", "abd", "abcd", "ab-d"],
    ["abd", "abccd", "ab--d", "abccd"],
    ["xaby", "ab", "xaby", "-ab-"],
  ])("of %j and %j is %j over %j", (a, b, above, below) => {
    expect(drawn(align(letters(a), letters(b), own))).toEqual([above, below]);
  });

  it("has each entry of both lists once and in order, and equal ones side by side, however long the lists", () => {
    fc.assert(
      fc.property(anyLength, anyLength, fc.integer({ min: 1, max: 100 }), (a, b, exactTo) => {
        const pairs = align(letters(a), letters(b), own, exactTo);
        expect(pairs.map(({ left = "" }) => left).join("")).toBe(a);
        expect(pairs.map(({ right = "" }) => right).join("")).toBe(b);
        for (const { left, right } of pairs) {
          expect(left ?? right).toBeDefined();
          if (left !== undefined && right !== undefined) expect(left).toBe(right);
        }
      }),
    );
  });

  it("pairs as many equal entries as possible", () => {
    fc.assert(
      fc.property(word, word, (a, b) => {
        const common = align(letters(a), letters(b), own).filter(({ left, right }) => left && right);
        expect(common).toHaveLength(longestCommon(a, b));
      }),
    );
  });

  it("of a list with itself pairs every entry, and of two lists pairs equally many in either order", () => {
    fc.assert(
      fc.property(anyLength, anyLength, (a, b) => {
        expect(align(letters(a), letters(a), own).every(({ left, right }) => left === right)).toBe(true);
        const count = (pairs: readonly Pair<string>[]) =>
          pairs.filter(({ left, right }) => left && right).length;
        expect(count(align(letters(a), letters(b), own))).toBe(count(align(letters(b), letters(a), own)));
      }),
    );
  });

  it("of long lists finds the inserted entries", () => {
    const long = Array.from({ length: 5000 }, (_, index) => `${index}`);
    const other = [...long.slice(0, 1000), "new", ...long.slice(1000, 3000), ...long.slice(3010)];
    const pairs = align(["first", ...long], ["other", ...other], own, 50);
    expect(pairs.filter(({ left }) => left === undefined).map(({ right }) => right)).toEqual([
      "other",
      "new",
    ]);
    expect(pairs.filter(({ right }) => right === undefined)).toHaveLength(11);
  });
});
