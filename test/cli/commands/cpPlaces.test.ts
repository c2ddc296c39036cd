/** What `cp` reads in its arguments. */
import { expect, it } from "vitest";
import { nameOf, parseCopy } from "../../../src/cli/commands/cp/places.ts";

it.each([
  ["web:/tmp/a", ".", { task: "web", isOut: true, from: "/tmp/a", to: "." }],
  ["./a", "web[0]:local/", { task: "web[0]", isOut: false, from: "./a", to: "local/" }],
  ["6f2d4a9e/web/01ab:x:y", "out", { task: "6f2d4a9e/web/01ab", isOut: true, from: "x:y", to: "out" }],
  ["./a:b", "web:", { task: "web", isOut: false, from: "./a:b", to: "." }],
  ["/a:b", "web:/c", { task: "web", isOut: false, from: "/a:b", to: "/c" }],
])("%j to %j", (from, to, copy) => {
  expect(parseCopy(from, to)).toEqual(copy);
});

it.each([
  ["a", "b"],
  ["a:b", "c:d"],
  ["a:b", ""],
  ["a:b\0c", "d"],
])("refuses %j to %j", (from, to) => {
  expect(() => parseCopy(from, to)).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
});

it.each([
  ["/a/b", "b"],
  ["a/", "a"],
  ["a/.", ""],
  ["a/./", ""],
  [".", ""],
  ["/", ""],
  ["..", ""],
  [".hidden", ".hidden"],
  ["a/..b", "..b"],
])("the copy of %j has the name %j", (path, name) => {
  expect(nameOf(path)).toBe(name);
});
