import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type NodeCore, nodeMhz } from "../../../src/config/task/nodeTopology.ts";

const core = (speeds: Partial<NodeCore>): NodeCore => ({
  coreId: 0,
  baseMhz: 0,
  maxMhz: 0,
  guessMhz: 0,
  disabled: false,
  ...speeds,
});

describe("MHz of a core", () => {
  it.each([
    ["base speed before the others", [{ baseMhz: 2445, maxMhz: 3500, guessMhz: 1000 }], 0, 2445],
    ["maximum before the guess", [{ maxMhz: 3500, guessMhz: 1000 }], 0, 3500],
    ["the guess if nothing else is known", [{ guessMhz: 1000 }], 0, 1000],
    ["the mean of unlike cores", [{ baseMhz: 3000 }, { baseMhz: 1500 }], 0, 2250],
    ["disabled cores count", [{ baseMhz: 3000 }, { baseMhz: 1000, disabled: true }], 0, 2000],
    ["the agent's total, spread over the cores", [{ baseMhz: 2445 }, { baseMhz: 2445 }], 8000, 4000],
    ["no speed known", [{}, {}], 0, undefined],
    ["no cores", [], 8000, undefined],
  ])("%s", (_, cores, overrideTotalMhz, expected) => {
    expect(nodeMhz({ cores: cores.map(core), overrideTotalMhz })).toBe(expected);
  });

  it("multiplied by the number of cores is the scheduler's total", () => {
    const speeds = fc.array(fc.integer({ min: 1, max: 6000 }), { minLength: 1, maxLength: 256 });
    fc.assert(
      fc.property(speeds, (mhz) => {
        const perCore = nodeMhz({ cores: mhz.map((baseMhz) => core({ baseMhz })), overrideTotalMhz: 0 }) ?? 0;
        expect(perCore * mhz.length).toBeCloseTo(
          mhz.reduce((sum, one) => sum + one),
          6,
        );
      }),
    );
  });
});
