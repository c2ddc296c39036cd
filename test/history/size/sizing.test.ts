/** Sizes in worlds whose truth is known, and over recorded histories. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { RunUse } from "../../../src/history/size/runUse.ts";
import { distributionOf, enoughFor, sizesOf } from "../../../src/history/size/sizing.ts";
import { mib, needOf, now, recorded, type WorldRun, worldRun } from "./runsOfWorld.ts";

const reservedMb = 600;
const options = { headroom: 0.2, measured: false };

/** A run as operators like it: measured to its end, and killed by nothing. */
const plain: WorldRun = {
  ...{ begunAt: now - 10 * 86_400_000, uses: [100, 213, 50], durationMs: 60_000, limitMb: reservedMb },
  ...{ survivesKill: false, hasPeak: true, swapped: null, without: null, goesOn: false, setBackMs: 0 },
};

function runs(world: readonly WorldRun[]): RunUse[] {
  return world.flatMap((run, index) => recorded(run, reservedMb, index) ?? []);
}

function sized(world: readonly WorldRun[], more: object = {}) {
  const [size] = sizesOf(runs(world), { ...options, ...more }, now);
  if (size?.memory == null) throw new Error("no size");
  return { ...size, memory: size.memory };
}

describe("a proposed size of memory", () => {
  it("would have killed none of the runs, whatever their records lack", () => {
    let proposals = 0;
    fc.assert(
      fc.property(fc.array(worldRun, { minLength: 1, maxLength: 6 }), (world) => {
        const { memory } = sized(world);
        if (memory.proposed === null) {
          expect(memory.notes).not.toEqual([]);
          return;
        }
        proposals += 1;
        expect(memory.proposed).toBeLessThan(memory.reserved);
        for (const run of world) expect(needOf(run)).toBeLessThanOrEqual(memory.proposed * mib);
      }),
      { numRuns: 1_000 },
    );
    expect(proposals).toBeGreaterThan(50);
  });

  it("counts with --measured what was measured, and is never given where something was killed", () => {
    fc.assert(
      fc.property(fc.array(worldRun, { minLength: 1, maxLength: 6 }), (world) => {
        const { memory, runs: counts } = sized(world, { measured: true });
        if (memory.proposed === null) return;
        expect(counts.killed).toBe(0);
        for (const run of runs(world)) {
          expect(run.memory.peakBytes ?? 0).toBeLessThanOrEqual(memory.proposed * mib);
          expect(enoughFor(run, true)).toBeLessThanOrEqual(memory.proposed * mib);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("is the most that was used with its headroom, in whole MiB", () => {
    const { memory, thin } = sized(
      Array.from({ length: 30 }, (_, day) => ({ ...plain, begunAt: plain.begunAt + day * 20_000_000 })),
    );
    expect(memory).toEqual({
      ...{ reserved: 600, proposed: 256 },
      used: { runs: 30, p50: 213, p90: 213, p99: 213, most: 213 },
      notes: ["With 256 MiB, none of the 30 runs would have been killed"],
    });
    expect(thin).toEqual([]);
    expect(sized([plain], { headroom: 0 }).memory.proposed).toBe(213);
    expect(sized([{ ...plain, uses: [1] }]).memory.proposed).toBe(10);
  });

  it.each<[string, Partial<WorldRun>, string | RegExp]>([
    ["a run that goes on", { goesOn: true }, /1 run still going: .* --measured counts/],
    ["a kernel without memory.peak", { hasPeak: false }, /peak of 1 run was not measured to the end/],
    ["an end that no plugin saw", { without: [0.5, 1.1] }, /peak of 1 run was not measured to the end/],
    ["a run that goes on with less", { goesOn: true, limitMb: 300 }, /1 run still going/],
    [
      "an end that no plugin saw, after the clock was set back",
      { without: [0.9, 1.1], setBackMs: 50_000 },
      /peak of 1 run was not measured to the end/,
    ],
    [
      "a run of less than a second",
      { durationMs: 800 },
      /memory of 1 run was not measured: shorter than a second/,
    ],
    ["a run that was killed", { uses: [700] }, /killed processes for lack of memory at a limit of 600 MiB/],
    [
      "a run whose child was killed",
      { uses: [700, 1], survivesKill: true },
      /killed processes for lack of memory/,
    ],
    ["a run that could swap", { swapped: 0.5 }, /1 run could swap/],
    ["a run that used what it had", { uses: [600] }, /reached the limit, and nothing was killed/],
    ["a run that nearly used what it had", { uses: [560] }, /20 % more, is nearly what is reserved, or more/],
  ])("is not given beside %s, and the notes say so", (_, change, note) => {
    const { memory } = sized([plain, { ...plain, ...change }]);
    expect(memory.proposed).toBeNull();
    expect(memory.notes).toEqual([expect.stringMatching(note)]);
  });

  it.each<[string, Partial<WorldRun>, number | null]>([
    ["a run that goes on", { goesOn: true, uses: [300] }, 360],
    ["a run of less than a second", { durationMs: 800 }, 256],
    ["a run that was killed", { uses: [700] }, null],
    ["a run that could swap", { swapped: 0.5 }, null],
  ])("with --measured, beside %s", (_, change, proposed) => {
    expect(sized([plain, { ...plain, ...change }], { measured: true }).memory.proposed).toBe(proposed);
  });

  it("needs no peak of a run that got on with less", () => {
    const { memory } = sized([plain, { ...plain, hasPeak: false, limitMb: 300 }]);
    expect(memory).toMatchObject({
      proposed: 300,
      notes: [expect.any(String), expect.stringContaining("1 run with an unknown peak")],
    });
  });

  it("says where the evidence is thin", () => {
    expect(sized([plain]).thin).toEqual(["1 run", "1 min from the first to the last"]);
  });
});

describe("a distribution", () => {
  it("has nearest ranks, which are figures of runs", () => {
    expect(distributionOf([])).toBeNull();
    expect(distributionOf([null, 5])).toEqual({ runs: 1, p50: 5, p90: 5, p99: 5, most: 5 });
    const hundred = Array.from({ length: 200 }, (_, index) => 200 - index);
    expect(distributionOf(hundred)).toEqual({ runs: 200, p50: 100, p90: 180, p99: 198, most: 200 });
  });
});
