import { describe, expect, it } from "vitest";
import { styleOf } from "../../../src/cli/terminal/style.ts";
import { formatTable } from "../../../src/cli/terminal/table.ts";

const colours = styleOf(true);

describe("a table", () => {
  it("has columns as wide as their cells", () => {
    expect(
      formatTable(
        [
          ["a", "bb", "c"],
          ["aaa", "b", "cc"],
        ],
        80,
      ),
    ).toBe("a    bb  c\naaa  b   cc");
  });

  it("gives colours no width", () => {
    const coloured = formatTable(
      [
        [colours.red("a"), "b"],
        ["aa", "b"],
      ],
      80,
    );
    expect(coloured).toBe(`${colours.red("a")}   b\naa  b`);
  });

  it("aligns characters that take two cells", () => {
    expect(
      formatTable(
        [
          ["日本", "b"],
          ["aa", "b"],
        ],
        80,
      ),
    ).toBe("日本  b\naa    b");
  });

  it("wraps its last column, and only that", () => {
    const text = "words that take more room than there is in one line";
    expect(formatTable([["name", text]], 40)).toBe(
      "name  words that take more room than\n      there is in one line",
    );
  });

  it("does not wrap its last column if there is too little room for it", () => {
    expect(formatTable([["a".repeat(60), "two words"]], 40)).toBe(`${"a".repeat(60)}  two words`);
  });

  it("has the widths that later rows need", () => {
    expect(formatTable([["1", "x"]], 80, [4])).toBe("1     x");
  });
});
