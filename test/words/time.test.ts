import { describe, expect, it } from "vitest";
import { formatSpan, formatTime } from "../../src/words/time.ts";

describe("a span", () => {
  it.each([
    [0, "0 ms"],
    [0.44, "0.4 ms"],
    [12.3, "12 ms"],
    [999, "999 ms"],
    [1_000, "1 s"],
    [3_240, "3.2 s"],
    [59_400, "59 s"],
    [61_000, "1 min"],
    [7_200_000, "2 h"],
    [200_000_000, "2 d"],
  ])("of %d ms is %s", (milliseconds, text) => {
    expect(formatSpan(milliseconds)).toBe(text);
  });
});

describe("a time", () => {
  it("is the local one, to the millisecond", () => {
    expect(formatTime(new Date(2026, 0, 2, 3, 4, 5, 6).getTime())).toBe("2026-01-02 03:04:05.006");
  });
});
