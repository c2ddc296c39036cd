import { expect, it } from "vitest";
import { formatRatio, formatShare } from "../../src/units/ratios.ts";

it.each([
  [0, "0 %"],
  [0.0004, "0 %"],
  // 0.07 * 100 is a little more than 7.
  [0.07, "7 %"],
  [0.0733, "7.3 %"],
  [0.424, "42 %"],
  [1.12, "112 %"],
])("a share of %d is %s", (share, text) => {
  expect(formatShare(share)).toBe(text);
});

it.each([
  [0.42, "×0.4"],
  [2, "×2.0"],
  [12.3, "×12"],
])("a ratio of %d is %s", (ratio, text) => {
  expect(formatRatio(ratio)).toBe(text);
});
