import { expect, it } from "vitest";
import { commandTimeOf } from "../../../src/driver/run/stopCommand.ts";

it.each([
  [0, 0],
  [5_000, 4_000],
  [25_000, 20_000],
  [600_000, 595_000],
])("a stop command gets, of %i ms, all but what is kept for the signal: %i ms", (timeoutMs, limitMs) => {
  expect(commandTimeOf(timeoutMs)).toBe(limitMs);
});
