import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { goPatterns } from "../../../src/localAgent/files/goPatterns.ts";
import { TemplateError } from "../../../src/localAgent/jobspec/templateError.ts";

describe("Go's patterns", () => {
  it.each(["(a+)+$", "(a|aa)+$", "(.*)(.*)(.*)(.*)[1-9]"])(
    "end soon on a text that %s does not match",
    (pattern) => {
      const { matches } = goPatterns();
      expect(matches(pattern, `${"a".repeat(20_000)}b`)).toBe(false);
    },
  );

  it("end with an error if they take too long, and so do all later ones of the file", () => {
    const { matches, replaceAll } = goPatterns(50);
    // Each match searches the whole rest of the text for an x.
    expect(() => replaceAll("a".repeat(1_000_000), ".*x|a", "b")).toThrow(
      new TemplateError("the patterns of the file take longer than 50 ms", ""),
    );
    expect(() => matches(`(?:${"a?".repeat(500)}){1,1}b`, "a".repeat(1_000_000))).toThrow(TemplateError);
  });

  it("replace as JavaScript does, where both languages agree", () => {
    const pattern = fc.constantFrom(
      "a",
      "[ab]+",
      "(a)(b)?",
      "^a",
      "b$",
      "(?i)A",
      "a|ab",
      "\\d",
      "(?m)^b",
      ".",
    );
    const replacement = fc.constantFrom("", "x", "<$1>", "$$", "a");
    fc.assert(
      fc.property(
        pattern,
        replacement,
        fc.string({ unit: fc.constantFrom("a", "b", "1", "\n", "é", "👍") }),
        (from, to, text) => {
          const [, flags = "", source = ""] = /^(?:\(\?(\w)\))?(.*)$/s.exec(from) ?? [];
          const groups = new RegExp(`${source}|`).exec("")?.length ?? 0;
          const expected = text.replaceAll(
            new RegExp(source, `gu${flags}`),
            groups > 1 ? to : to.replace("$1", ""),
          );
          expect(goPatterns().replaceAll(text, from, to)).toBe(expected);
          expect(goPatterns().matches(from, text)).toBe(new RegExp(source, `u${flags}`).test(text));
        },
      ),
    );
  });
});
