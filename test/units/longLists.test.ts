import fc from "fast-check";
import { expect, it } from "vitest";
import { isShortened, shortList } from "../../src/units/longLists.ts";

it("a list tells whether a part of it is left out", () => {
  const text = fc
    .tuple(fc.constantFrom("a", "é", "line\n", "…"), fc.constantFrom(0, 1, 200, 20_000, 70_000))
    .map(([unit, times]) => unit.repeat(times));
  const property = fc.property(fc.array(text, { maxLength: 6 }), fc.boolean(), (texts, hasDigest) => {
    const list = shortList(texts, "argument", hasDigest ? () => "0f" : undefined);
    expect(isShortened(list)).toBe(list.length !== texts.length || list.at(-1) !== texts.at(-1));
  });
  fc.assert(property);
});
