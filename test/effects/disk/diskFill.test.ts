import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { describeFill, fillOf } from "../../../src/effects/disk/diskFill.ts";

const MiB = 2 ** 20;
const empty = { bytes: 0, files: 2, limitBytes: 300 * MiB, limitFiles: 76_800 };

describe("a limit on a disk", () => {
  it.each([
    ["without a limit", { bytes: 300 * MiB, limitBytes: 0, limitFiles: 0 }, undefined],
    ["below 90 %", { bytes: 269 * MiB }, undefined],
    ["at 90 %", { bytes: 270 * MiB }, { percent: 90, unit: "bytes", used: 270 * MiB, limit: 300 * MiB }],
    ["with room for a piece", { bytes: 300 * MiB - 65_536 }, { percent: 90 }],
    ["with room for less", { bytes: 300 * MiB - 65_535 }, { percent: 100, unit: "bytes" }],
    ["over its limit, which was lowered", { bytes: 400 * MiB }, { percent: 100 }],
    [
      "with 90 % of its files",
      { files: 69_120 },
      { percent: 90, unit: "files", used: 69_120, limit: 76_800 },
    ],
    ["with all its files", { files: 76_800, bytes: 270 * MiB }, { percent: 100, unit: "files" }],
    ["with all its bytes", { files: 69_120, bytes: 300 * MiB }, { percent: 100, unit: "bytes" }],
  ])("%s", (_, used, expected) => {
    const fill = fillOf({ ...empty, ...used });
    if (expected === undefined) expect(fill).toBeUndefined();
    else expect(fill).toMatchObject(expected);
  });

  it("never becomes less full by more use", () => {
    const limits = fc.record({
      limitBytes: fc.integer({ min: 1, max: 1_000 }).map((mebibytes) => mebibytes * MiB),
      share: fc.double({ min: 0, max: 1.2, noNaN: true }),
      more: fc.integer({ min: 0, max: 10 * MiB }),
    });
    fc.assert(
      fc.property(limits, ({ limitBytes, share, more }) => {
        const percent = (bytes: number) => fillOf({ ...empty, limitBytes, bytes })?.percent ?? 0;
        const bytes = Math.floor(share * limitBytes);
        expect(percent(bytes + more)).toBeGreaterThanOrEqual(percent(bytes));
        expect(percent(bytes)).toBeLessThanOrEqual(Math.max(0, bytes >= 0.9 * limitBytes ? 100 : 0));
      }),
    );
  });

  it("is described", () => {
    const bytes = { percent: 90, unit: "bytes", used: 271 * MiB, limit: 300 * MiB } as const;
    expect(describeFill(bytes, "own")).toBe("271 MiB of 300 MiB in its folders local and tmp");
    const files = { percent: 100, unit: "files", used: 76_800, limit: 76_800 } as const;
    expect(describeFill(files, "shared")).toBe("76,800 of 76,800 files in the allocation's shared folder");
  });
});
