import { expect, it } from "vitest";
import { supportedArchitecture, systemCallNumber } from "../../../src/effects/kernel/systemCalls.ts";
import { callOf, framesOf } from "../../../src/effects/processes/waitingThreads.ts";

const futex = systemCallNumber("futex", supportedArchitecture());

it.each([
  [`${futex} 0x7f1c 0x89 0x0 0x0 0x0 0xffffffff 0x7ffd 0x7f1b`, "futex"],
  ["99999 0x0 0x0 0x0 0x0 0x0 0x0 0x7ffd 0x7f1b", "call 99999"],
  ["-1 0x7ffd 0x7f1b", null],
  ["running", null],
  ["", null],
])("the call in %j is %s", (line, call) => {
  expect(callOf(line)).toBe(call);
});

it("functions of a stack are few and short", () => {
  const lines = Array.from({ length: 20 }, (_, index) => `[<0>] ${"f".repeat(99)}_${index}+0x6a/0xa0`);
  expect(framesOf(`${lines.join("\n")}\n`)).toEqual(Array.from({ length: 8 }, () => "f".repeat(64)));
  expect(framesOf("[<0>] futex_wait_queue+0x6a/0xa0\n[<0>] do_futex+0x1/0x2")).toEqual([
    "futex_wait_queue",
    "do_futex",
  ]);
  expect(framesOf("")).toEqual([]);
});
