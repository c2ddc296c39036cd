import { describe, expect, it } from "vitest";
import { describeTrigger, pressureProblem, pressureTriggers } from "../../../src/effects/cgroup/pressure.ts";

describe("triggers of pressure", () => {
  it("are a kind, a time of waiting and a window for each resource", () => {
    const blocks = [{ memory: "full 150ms 1s", cpu: "some 1.5s 2s" }, { io: "some 1ms 500ms" }];
    expect(pressureTriggers(blocks)).toEqual([
      { resource: "memory", kind: "full", stallMs: 150, windowMs: 1_000 },
      { resource: "cpu", kind: "some", stallMs: 1_500, windowMs: 2_000 },
      { resource: "io", kind: "some", stallMs: 1, windowMs: 500 },
    ]);
    expect(pressureTriggers(blocks).map(describeTrigger)).toEqual([
      "all of its processes waited for memory, together 150 ms within 1 s",
      "some of its processes waited for CPU, together 1.5 s within 2 s",
      "some of its processes waited for I/O, together 1 ms within 500 ms",
    ]);
  });

  it.each([
    ["half 150ms 1s"],
    ["full 150ms"],
    ["full 150 1000"],
    ["full 2s 1s"],
    ["full 0 1s"],
    ["full 150ms 499ms"],
    ["full 150ms 11s"],
    ["full 150ms 1s now"],
  ])("are refused as %o, with what to write", (value) => {
    expect(pressureProblem("memory", value)).toEqual({
      message: `has memory = ${JSON.stringify(value)}`,
      hint: expect.stringContaining('"full 150ms 1s"'),
    });
    expect(pressureTriggers([{ memory: value }])).toEqual([]);
  });

  it("are refused for other resources", () => {
    expect(pressureProblem("disk", "full 150ms 1s")?.message).toBe(
      'has "disk", which is no resource with pressure',
    );
  });
});
