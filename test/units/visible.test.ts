import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { visible, visibleJson, visibleLines, visibleTexts } from "../../src/units/visible.ts";

const unwritable = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;
const texts = fc.string({ unit: "binary" });

describe("foreign text", () => {
  it.each([
    ["plain, naïve, 日本, 👩‍🚀, می‌خواهم", "plain, naïve, 日本, 👩‍🚀, می‌خواهم"],
    ["a\nb\tc", "a␊b␉c"],
    ["\x1b[31mred\x7f", "␛[31mred␡"],
    ["\u009b2J\u202eabc\u2028", "�2J�abc�"],
    ["\ud800", "�"],
  ])("%j is shown as %j", (text, shown) => {
    expect(visible(text)).toBe(shown);
  });

  it("has no character with an effect on a terminal once it was made visible", () => {
    fc.assert(
      fc.property(texts, (text) => {
        expect(visible(text)).not.toMatch(unwritable);
        expect(visible(visible(text))).toBe(visible(text));
        expect(visibleLines(text).split("\n")).toEqual(text.split("\n").map(visible));
      }),
    );
  });

  it("is the same text in JSON, where numbers represent such characters", () => {
    const value = fc.jsonValue({ stringUnit: "binary" });
    fc.assert(
      fc.property(value, fc.constantFrom(undefined, 2), (value, indent) => {
        const json = visibleJson(value, indent);
        expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify(value)));
        expect(json.replaceAll("\n", "")).not.toMatch(unwritable);
      }),
      { examples: [["\u{e0041}\u009b", undefined]] },
    );
  });

  it("is replaced in an object's texts, and in nothing else", () => {
    expect(visibleTexts({ name: "a\n", count: 1, list: ["\n"] })).toEqual({
      name: "a␊",
      count: 1,
      list: ["\n"],
    });
  });
});
