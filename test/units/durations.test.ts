import { describe, expect, it } from "vitest";
import { formatDuration, goUnits, parseDuration } from "../../src/units/durations.ts";

describe("a duration", () => {
  it.each([
    ["5s", 5_000],
    ["1m30s", 90_000],
    ["1.5h", 5_400_000],
    ["500ms", 500],
    ["250us", 0.25],
    ["250µs", 0.25],
    ["7000000000ns", 7_000],
    ["0", 0],
  ])("%s is %d ms, in job files too", (text, milliseconds) => {
    expect(parseDuration(text)).toBeCloseTo(milliseconds, 9);
    expect(parseDuration(text, goUnits)).toBeCloseTo(milliseconds, 9);
  });

  it.each([
    ["90min", 5_400_000],
    ["7d", 604_800_000],
    ["1d12h", 129_600_000],
  ])("%s is %d ms, and is refused in job files", (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds);
    expect(parseDuration(text, goUnits)).toBeUndefined();
  });

  it.each(["", "5", "5 s", "s", "-5s", "5s!", "1w", "5S", "1.2.3s", "5constructor"])(
    "is not recognized in %j",
    (text) => {
      expect(parseDuration(text)).toBeUndefined();
    },
  );

  it.each([
    [0, "0 ms"],
    [0.44, "0.4 ms"],
    [12.3, "12 ms"],
    [999, "999 ms"],
    [999.6, "1.0 s"],
    [1_000, "1 s"],
    [3_240, "3.2 s"],
    [59_400, "59 s"],
    [59_600, "1 min"],
    [61_000, "1 min"],
    [7_200_000, "2 h"],
    [200_000_000, "2 d"],
  ])("of %d ms is shown as %s", (milliseconds, text) => {
    expect(formatDuration(milliseconds)).toBe(text);
  });
});
