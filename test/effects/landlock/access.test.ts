import { describe, expect, test } from "vitest";
import { netPortAttr, pathBeneathAttr, rulesetAttr } from "../../../src/effects/kernel/structs.ts";
import {
  accessOf,
  handledAccess,
  LATEST_ABI,
  scopesFor,
  scopesOf,
} from "../../../src/effects/landlock/rights.ts";
import type { UnveilMode } from "../../../src/effects/unveil/unveil.ts";

/** All ABIs of the table, and a newer one. */
const abis = Array.from({ length: LATEST_ABI + 1 }, (_, index) => index + 1);
const mode = (letters: string): UnveilMode => ({
  read: letters.includes("r"),
  write: letters.includes("w"),
  execute: letters.includes("x"),
  create: letters.includes("c"),
});

test("handled rights are all that the ABI knows", () => {
  expect(abis.map((abi) => handledAccess(abi).toString(16))).toEqual([
    "1fff", // 13 rights of ABI 1
    "3fff", // + refer
    "7fff", // + truncate
    "7fff", // ABI 4 adds TCP ports only
    "ffff", // + ioctl_dev
    "ffff", // ABI 6 adds scopes only
    "ffff", // ABI 7 adds audit only
    "ffff", // ABI 8 adds TSYNC only
    "1ffff", // + resolve_unix
    "1ffff", // ABI 10 adds UDP ports only
    "1ffff", // ABI 11 adds NO_NEW_PRIVS only
    "1ffff", // a newer ABI is used as the newest known ABI
  ]);
});

describe("the rights of letters", () => {
  test.each([
    ["r", "file", [0x4, 0x4, 0x4, 0x4, 0x4, 0x4]],
    ["r", "folder", [0xc, 0xc, 0xc, 0xc, 0xc, 0xc]],
    ["w", "file", [0x2, 0x2, 0x4002, 0x4002, 0xc002, 0x1c002]],
    ["w", "folder", [0x2, 0x2, 0x4002, 0x4002, 0xc002, 0x1c002]],
    ["x", "file", [0x1, 0x1, 0x1, 0x1, 0x1, 0x1]],
    ["x", "folder", [0x1, 0x1, 0x1, 0x1, 0x1, 0x1]],
    ["c", "file", [0, 0, 0, 0, 0, 0]],
    ["c", "folder", [0x1fb0, 0x3fb0, 0x3fb0, 0x3fb0, 0x3fb0, 0x3fb0]],
    ["r", "device", [0x4, 0x4, 0x4, 0x4, 0x8004, 0x8004]],
    ["w", "device", [0x2, 0x2, 0x4002, 0x4002, 0xc002, 0xc002]],
    ["x", "device", [0, 0, 0, 0, 0, 0]],
    ["c", "device", [0, 0, 0, 0, 0, 0]],
  ] as const)("of %s on a %s follow the ABI", (letter, kind, expected) => {
    expect([1, 2, 3, 4, 5, 9].map((abi) => accessOf(mode(letter), kind, abi))).toEqual(expected);
  });

  test("add up", () => {
    expect(accessOf(mode("rwxc"), "folder", 7)).toBe(0xffff & ~(1 << 6));
    expect(accessOf(mode(""), "folder", 7)).toBe(0);
  });

  test("never include character devices, and are a subset of the handled rights", () => {
    for (const abi of abis) {
      const most = accessOf(mode("rwxc"), "folder", abi);
      expect(most & (1 << 6)).toBe(0);
      expect(most & ~handledAccess(abi)).toBe(0);
    }
  });

  test("on a file are only those that the kernel accepts for files", () => {
    const onFiles = 0x1 | 0x2 | 0x4 | 0x4000 | 0x8000 | 0x10000;
    for (const abi of abis) expect(accessOf(mode("rwxc"), "file", abi) & ~onFiles).toBe(0);
  });
});

test("a task with a stop command is signalled by its commands, unless it shares the host's pid namespace", () => {
  const masks = (stopCommand: readonly string[], pidMode: string) =>
    [5, 6].map((abi) => scopesFor(abi, { stopCommand, pidMode }));
  expect(masks([], "private")).toEqual([0, 3]);
  expect(masks(["quit"], "private")).toEqual([0, 1]);
  expect(masks(["quit"], "host")).toEqual([0, 3]);
});

test("scopes came with ABI 6", () => {
  expect(abis.map(scopesOf)).toEqual([0, 0, 0, 0, 0, 3, 3, 3, 3, 3, 3, 3]);
});

test("the structs have the kernel's layout", () => {
  expect(Buffer.from(rulesetAttr(0xffff, 2, 3)).toString("hex")).toBe(
    "ffff000000000000" + "0200000000000000" + "0300000000000000",
  );
  expect(Buffer.from(pathBeneathAttr(0x8001, 258)).toString("hex")).toBe("0180000000000000" + "02010000");
  expect(Buffer.from(netPortAttr(2, 0xabcd)).toString("hex")).toBe("0200000000000000" + "cdab000000000000");
});
