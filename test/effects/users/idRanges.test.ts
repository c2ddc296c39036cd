import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { countOfIds, idAt, idRangesProblem, isInRanges, maxId } from "../../../src/effects/users/idRanges.ts";

describe("ranges of ids", () => {
  it.each(["", "  ", "0", "0,10-15, 22", "7-7", `0-${maxId}`])("%j are valid", (ranges) => {
    expect(idRangesProblem(ranges)).toBeUndefined();
  });

  it.each([
    ["1-", '"1-"'],
    ["-1", '"-1"'],
    ["1,,2", '""'],
    ["1,x", '"x"'],
    ["5-1", '"5-1"'],
    ["1-2-3", '"1-2-3"'],
    ["007", '"007"'],
    ["4294967295", '"4294967295"'],
    ["1.5", '"1.5"'],
  ])("%j are invalid", (ranges, told) => {
    expect(idRangesProblem(ranges)).toBe(`has ${told}, which is neither an id nor a range`);
  });

  it("contain their ends and everything between, and nothing else", () => {
    expect([9, 10, 15, 16, 0, 22, 23].filter((id) => isInRanges(id, "0,10-15,22"))).toEqual([10, 15, 0, 22]);
    const id = fc.nat(maxId);
    fc.assert(
      fc.property(id, id, id, (one, other, asked) => {
        const [first, last] = [Math.min(one, other), Math.max(one, other)];
        expect(isInRanges(asked, `${first}-${last}`)).toBe(asked >= first && asked <= last);
        expect(isInRanges(asked, "")).toBe(false);
      }),
    );
  });

  it("are counted, and each of their ids has an index", () => {
    const ranges = "5,10-12";
    expect(countOfIds(ranges)).toBe(4);
    expect([0, 1, 2, 3, 4].map((index) => idAt(ranges, index))).toEqual([5, 10, 11, 12, undefined]);
  });
});
