import { expect, test } from "vitest";
import {
  abis,
  abiWith,
  kernelWith,
  LATEST_ABI,
  maskOfRights,
  rightsOfFamily,
} from "../../../src/effects/landlock/rights.ts";

test("each right of a family has the next higher bit, because the kernel adds rights in this order", () => {
  for (const family of ["fs", "net", "scope"] as const) {
    const rights = rightsOfFamily(family);
    expect(rights.map((right) => maskOfRights([right], LATEST_ABI))).toEqual(
      rights.map((_, index) => 1 << index),
    );
  }
});

test("every ABI up to the latest is there, in the order of kernels", () => {
  expect(Object.keys(abis).map(Number)).toEqual(Array.from({ length: LATEST_ABI }, (_, index) => index + 1));
  const versions = Object.values(abis).map(({ linux }) => linux);
  expect(versions.toSorted((a, b) => a.localeCompare(b, undefined, { numeric: true }))).toEqual(versions);
});

test("a right that the ABI does not know is in no mask", () => {
  expect(maskOfRights(["fs.execute", "fs.refer", "fs.resolve_unix"], 8)).toBe(0x2001);
  expect(maskOfRights(["fs.execute", "fs.refer", "fs.resolve_unix"], 99)).toBe(0x12001);
});

test("errors name the kernel that a right needs", () => {
  expect(abiWith("net.bind_tcp")).toBe(4);
  expect(kernelWith("scope.signal")).toBe("Linux 6.12 or newer (ABI 6)");
});
