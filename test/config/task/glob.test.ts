import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { matchesGlob } from "../../../src/config/task/glob.ts";

/** Matches by the definition: a star matches nothing, or one character and then again a star. */
function matchesByDefinition(glob: string, text: string): boolean {
  if (glob === "") return text === "";
  if (glob[0] !== "*") return glob[0] === text[0] && matchesByDefinition(glob.slice(1), text.slice(1));
  return (
    matchesByDefinition(glob.slice(1), text) || (text !== "" && matchesByDefinition(glob, text.slice(1)))
  );
}

describe("a pattern of names", () => {
  it("matches as its definition says", () => {
    const few = (...characters: string[]) =>
      fc.string({ unit: fc.constantFrom(...characters), maxLength: 9 });
    const glob = few("a", "b", "*", ".", "\n");
    const text = few("a", "b", ".", "\n");
    fc.assert(
      fc.property(glob, text, (glob, text) => {
        expect(matchesGlob(glob, text)).toBe(matchesByDefinition(glob, text));
      }),
      {
        numRuns: 2000,
        examples: [
          ["a*a", "a"],
          ["*ab*b", "ab"],
          ["", ""],
          ["*", ""],
          ["**", "a"],
        ],
      },
    );
  });

  it("is fast for a text on which backtracking would not end", () => {
    expect(matchesGlob("*a*a*a*a*a*b*", "a".repeat(100_000))).toBe(false);
  });
});
