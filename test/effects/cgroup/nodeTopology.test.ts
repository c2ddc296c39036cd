import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cpuShare, type NodeCore, nodeMhz } from "../../../src/effects/cgroup/nodeTopology.ts";

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

describe("a task's share", () => {
  it.each([
    ["the MHz of one core are one core", { cpuMhz: 2500, cpusetCpus: "" }, true, 1],
    ["fewer MHz are a fraction of a core", { cpuMhz: 500, cpusetCpus: "" }, true, 0.2],
    ["no MHz are no limit", { cpuMhz: 0, cpusetCpus: "" }, true, undefined],
    ["a soft limit gives no share", { cpuMhz: 500, cpusetCpus: "" }, false, undefined],
    ["a reserved core is one core", { cpuMhz: 2500, cpusetCpus: "7" }, true, 1],
    ["reserved cores are counted", { cpuMhz: 2500, cpusetCpus: "0-3,8,10-11" }, false, 7],
  ])("%s", (_, resources, hardLimit, expected) => {
    expect(cpuShare(resources, { mhzPerCore: 2500 }, hardLimit)).toBe(expected);
  });
});
