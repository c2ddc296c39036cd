import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cpuinfoMhz, parseCpuList } from "../../../src/effects/cgroup/nodeCores.ts";

describe("a list of cores", () => {
  it.each([
    ["0", [0]],
    ["0-2,5", [0, 1, 2, 5]],
    ["", []],
    ["0-1,\n", [0, 1]],
    ["a,3,-1,2-,4", [3, 4]],
    ["5-3", []],
  ])("written as %j is %j", (text, expected) => {
    expect(parseCpuList(text)).toEqual(expected);
  });

  it("has the cores from which its ranges were written", () => {
    const range = fc.tuple(fc.nat({ max: 500 }), fc.nat({ max: 20 }));
    fc.assert(
      fc.property(fc.array(range), (ranges) => {
        const text = ranges
          .map(([from, more]) => (more === 0 ? `${from}` : `${from}-${from + more}`))
          .join(",");
        const numbers = ranges.flatMap(([from, more]) =>
          Array.from({ length: more + 1 }, (_, i) => from + i),
        );
        expect(parseCpuList(text)).toEqual(numbers);
      }),
    );
  });
});

describe("cpuinfo", () => {
  it("has the rounded speed of each processor", () => {
    const text =
      "processor\t: 0\nmodel name\t: AMD EPYC\ncpu MHz\t\t: 2596.146\n\nprocessor\t: 3\ncpu MHz\t\t: 800\n\n";
    expect([...cpuinfoMhz(text)]).toEqual([
      [0, 2596],
      [3, 800],
    ]);
  });

  it("has no speeds on architectures without them", () => {
    expect(cpuinfoMhz("processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp\n").size).toBe(0);
  });
});
