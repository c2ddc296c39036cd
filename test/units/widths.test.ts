import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { styleOf } from "../../src/cli/terminal/style.ts";
import { beginningOf, blanks, cellsOf, cutText, wrap } from "../../src/units/widths.ts";

const texts = fc.string({ unit: "binary", maxLength: 60 }).map((text) => text.replaceAll(/\p{Cc}/gu, ""));
const width = fc.integer({ min: 0, max: 40 });

describe("cells", () => {
  it.each([
    ["abc", 3],
    ["é", 1],
    ["e\u0301", 1],
    ["日本", 4],
    ["ﾊﾝ", 2],
    ["한글", 4],
    ["🚀", 2],
    ["→ …", 3],
    ["", 0],
    [styleOf(true).red("日本"), 4],
  ])("of %j are %i", (text, cells) => {
    expect(cellsOf(text)).toBe(cells);
  });

  it("of a text's beginning fit into a width, with at most one cell unused", () => {
    fc.assert(
      fc.property(texts, width, (text, cells) => {
        const beginning = beginningOf(text, cells);
        expect(text.startsWith(beginning)).toBe(true);
        expect(cellsOf(beginning)).toBeLessThanOrEqual(cells);
        if (beginning !== text) expect(cellsOf(beginning)).toBeGreaterThanOrEqual(cells - 1);
      }),
    );
  });
});

describe("a text", () => {
  it("can be truncated to a width, and then ends with an ellipsis", () => {
    expect(cutText("hello world", 8)).toBe("hello w…");
    expect(cutText("hello", 5)).toBe("hello");
    expect(cutText("日本語", 4)).toBe("日…");
    fc.assert(
      fc.property(texts, fc.integer({ min: 1, max: 40 }), (text, cells) => {
        expect(cellsOf(cutText(text, cells))).toBeLessThanOrEqual(cells);
      }),
    );
  });

  it("is filled with blanks", () => {
    expect(blanks("日本", 6)).toBe("  ");
    expect(blanks("too long", 6)).toBe("");
  });

  it("is wrapped into lines that fit, and loses nothing but spaces", () => {
    fc.assert(
      fc.property(texts, fc.integer({ min: 2, max: 60 }), (text, cells) => {
        const lines = wrap(text, cells);
        expect(lines.join("").replaceAll(" ", "")).toBe(text.replaceAll(" ", ""));
        for (const line of lines) expect(cellsOf(line)).toBeLessThanOrEqual(cells);
      }),
    );
  });

  it("is wrapped even if there is no room", () => {
    expect(wrap("日本 ab", 0)).toEqual(["日", "本", "ab"]);
  });

  it("is wrapped in time linear in its length, whether it has spaces or not", () => {
    const length = 1_000_000;
    expect(wrap("a ".repeat(length), Number.POSITIVE_INFINITY).length).toBe(1);
    expect(wrap("a".repeat(length), 40).length).toBe(length / 40);
    expect(wrap("é".repeat(length), 40).length).toBe(length / 40);
  });
});
