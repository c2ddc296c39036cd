import { expect, test } from "vitest";
import { isHostName, parseHostEntry } from "../../../src/effects/names/hostNames.ts";

test("the name of an entry ends at the first colon", () => {
  expect(parseHostEntry("a:2001:db8::1")).toEqual({ name: "a", address: "2001:db8::1" });
  expect(parseHostEntry("a")).toEqual({ name: "a", address: "" });
});

test("a host name has letters, digits and inner punctuation, and at most 64 characters", () => {
  const valid = ["a", "A-1", "db.internal", "under_score", "x".repeat(64)];
  const invalid = ["", ".", "a.", "-a", "a-", "a b", "a\nb", "ä", "x".repeat(65)];
  expect(valid.filter(isHostName)).toEqual(valid);
  expect(invalid.filter(isHostName)).toEqual([]);
});
