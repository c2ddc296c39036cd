import { describe, expect, it } from "vitest";
import { Program } from "../../../src/effects/bpf/program.ts";

const hex = (program: Program) => Buffer.from(program.bytes()).toString("hex").match(/.{16}/g);

describe("a program", () => {
  it("has the kernel's instructions", () => {
    const program = new Program()
      .compute("move", 1, 7)
      .compute("add", 1, { of: 6 })
      .load(4, 2, 10, -12)
      .store(8, 10, -8, { of: 2 })
      .store(1, 10, -9, 0)
      .constant(3, 0x1_0000_0002n)
      .constant(1, { map: 5 })
      .call(1)
      .increase(0, 8, 1)
      .exit();
    expect(hex(program)).toEqual([
      "b701000007000000",
      "0f61000000000000",
      "61a2f4ff00000000",
      "7b2af8ff00000000",
      "720af7ff00000000",
      "1803000002000000",
      "0000000001000000",
      "1811000005000000",
      "0000000000000000",
      "8500000001000000",
      "db10080000000000",
      "9500000000000000",
    ]);
  });

  it("jumps backwards and forwards to labels", () => {
    const program = new Program()
      .label("start")
      .jump("equal", 1, 0, "end")
      .jump("less", 1, { of: 2 }, "start")
      .goto("end")
      .label("end")
      .exit();
    expect(hex(program)).toEqual([
      "1501020000000000",
      "ad21feff00000000",
      "0500000000000000",
      "9500000000000000",
    ]);
  });

  it("refuses a jump to an unknown label, and a label that is set twice", () => {
    expect(() => new Program().goto("nowhere").bytes()).toThrow("nowhere");
    expect(() => new Program().label("a").label("a")).toThrow("twice");
  });
});
