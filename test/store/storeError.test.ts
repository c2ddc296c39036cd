import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { storeError } from "../../src/store/storeError.ts";

const header = readFileSync(
  new URL("../../node_modules/lmdb/dependencies/lmdb/libraries/liblmdb/lmdb.h", import.meta.url),
  "utf8",
);
const own = [...header.matchAll(/^#define (MDB_\w+)\s+\((-\d+)\)/gm)].map(([, name, code]) => [
  name,
  Number(code),
]);

const refused = (code: number | string) =>
  storeError(Object.assign(new Error("whatever it says"), { code }), "read", "/log");

it("each of LMDB's own errors gets the name that belongs to its number", () => {
  expect(own.length).toBeGreaterThan(20);
  for (const [name, code] of own) {
    expect(refused(code as number).failed).toEqual({ call: "read", path: "/log", errno: name });
  }
});

it.each([
  [28, "ENOSPC", "STORE_FAILED"],
  ["EACCES", "EACCES", "STORE_FAILED"],
  [-30796, "MDB_CORRUPTED", "STORE_DAMAGED"],
])("%s is %s", (given, errno, code) => {
  expect(refused(given)).toMatchObject({ code, failed: { errno } });
});

it("an undefined number has no name", () => {
  expect(refused(-31_000).failed).toEqual({ call: "read", path: "/log" });
});
