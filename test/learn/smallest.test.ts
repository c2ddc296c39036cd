import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { smallestSufficient } from "../../src/learn/smallest.ts";

describe("the smallest sufficient part", () => {
  it("has the needed entries in their order", async () => {
    const parts = fc.uniqueArray(fc.nat(30), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(parts, fc.func(fc.boolean()), async (all, isNeeded) => {
        const needed = all.filter(isNeeded);
        const suffices = async (part: readonly number[]) => needed.every((each) => part.includes(each));
        expect(await smallestSufficient(all, suffices)).toEqual(needed);
      }),
    );
  });

  it("is one of several sufficient parts, and cannot be reduced further", async () => {
    const suffices = async (part: readonly string[]) => part.includes("a") || part.includes("b");
    expect(await smallestSufficient(["a", "b", "c"], suffices)).toHaveLength(1);
  });

  it("is found at once if nothing is needed", async () => {
    let tries = 0;
    const suffices = async () => {
      tries += 1;
      return true;
    };
    expect(await smallestSufficient(["a", "b", "c"], suffices)).toEqual([]);
    expect(tries).toBe(1);
  });
});
