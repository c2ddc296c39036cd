import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  cutLine,
  fillLine,
  type Line,
  paintLine,
  span,
  widthOfLine,
  wrapLine,
} from "../../../src/cli/terminal/spans.ts";
import { styleOf } from "../../../src/cli/terminal/style.ts";

const textOf = (line: Line) => line.map(({ text }) => text).join("");
const texts = fc.string({ unit: "binary", maxLength: 60 });
const lines = fc.array(
  texts.map((text) => span(text, "red")),
  { maxLength: 4 },
);
const width = fc.integer({ min: 0, max: 40 });

describe("a line", () => {
  it("holds no control characters", () => {
    expect(textOf([span("a\nb\x1b[31m")])).toBe("a␊b␛[31m");
  });

  it("ends with an ellipsis if it is truncated", () => {
    expect(textOf(cutLine([span("hello "), span("world")], 8))).toBe("hello w…");
    expect(textOf(cutLine([span("hello")], 5))).toBe("hello");
    expect(cutLine([span("hello")], 0)).toEqual([]);
  });

  it("wraps between words, and inside words that are too long", () => {
    const wrapped = (text: string, cells: number, indent = 0) =>
      wrapLine([span(text)], cells, indent).map(textOf);
    expect(wrapped("one two three", 8)).toEqual(["one two ", "three"]);
    expect(wrapped("one twothree", 6, 2)).toEqual(["one ", "  twot", "  hree"]);
    expect(wrapped("abc defgh", 3)).toEqual(["abc", "def", "gh"]);
    expect(wrapped("", 3)).toEqual([""]);
  });

  it("has the requested width, whatever it contains", () => {
    fc.assert(
      fc.property(lines, width, (line, cells) => {
        expect(widthOfLine(cutLine(line, cells))).toBeLessThanOrEqual(cells);
        expect(widthOfLine(fillLine(line, cells))).toBe(cells);
      }),
    );
  });

  it("loses only the spaces at line breaks, and fits", () => {
    fc.assert(
      fc.property(lines, fc.integer({ min: 2, max: 40 }), (line, cells) => {
        const wrapped = wrapLine(line, cells);
        for (const each of wrapped) expect(widthOfLine(each)).toBeLessThanOrEqual(cells);
        const whole = (all: readonly Line[]) => all.map(textOf).join("").replaceAll(" ", "");
        expect(whole(wrapped)).toBe(whole([line]));
      }),
    );
  });

  it("has colours if they are enabled", () => {
    const line = [span("a", "red", "bold"), span("b")];
    expect(paintLine(line, styleOf(false))).toBe("ab");
    expect(paintLine(line, styleOf(true))).toBe("\x1b[1m\x1b[31ma\x1b[39m\x1b[22mb");
  });
});
