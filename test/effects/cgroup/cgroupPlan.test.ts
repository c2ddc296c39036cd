import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type CgroupOptions, planCgroupWrites } from "../../../src/effects/cgroup/cgroupPlan.ts";
import type { TaskResources } from "../../../src/effects/cgroup/nodeTopology.ts";

const none: TaskResources = {
  cpuMhz: 0,
  memoryMb: 0,
  memoryMaxMb: 0,
  cpusetCpus: "",
  cgroup: "/sys/fs/cgroup/a",
};

const usual: CgroupOptions = { cpuHardLimit: true };

function planned(
  resources: Partial<TaskResources>,
  mhzPerCore = 2500,
  options: Partial<CgroupOptions> = {},
): Record<string, string> {
  const writes = planCgroupWrites({ ...none, ...resources }, { mhzPerCore }, { ...usual, ...options });
  expect(new Set(writes.map(({ file }) => file)).size).toBe(writes.length);
  return Object.fromEntries(writes.map(({ file, value }) => [file, value]));
}

describe("the plan of a cgroup's limits", () => {
  it.each<[string, Partial<TaskResources>, Record<string, string>]>([
    ["no request", {}, {}],
    ["memory", { memoryMb: 40 }, { "memory.max": "41943040", "memory.swap.max": "0" }],
    [
      "memory and memory_max",
      { memoryMb: 64, memoryMaxMb: 128 },
      { "memory.low": "67108864", "memory.max": "134217728", "memory.swap.max": "0" },
    ],
    [
      "memory_max = -1",
      { memoryMb: 64, memoryMaxMb: -1 },
      { "memory.low": "67108864", "memory.max": "max", "memory.swap.max": "0" },
    ],
    [
      "more memory than 32 bits can count",
      { memoryMb: 4_194_304 },
      { "memory.max": "4398046511104", "memory.swap.max": "0" },
    ],
    ["one core", { cpuMhz: 2500 }, { "cpu.max": "100000 100000", "cpu.weight": "100" }],
    ["a part of a core", { cpuMhz: 100 }, { "cpu.max": "4000 100000", "cpu.weight": "4" }],
    ["two and a half cores", { cpuMhz: 6250 }, { "cpu.max": "250000 100000", "cpu.weight": "250" }],
    ["less than the kernel's smallest quota", { cpuMhz: 1 }, { "cpu.max": "1000 100000", "cpu.weight": "1" }],
    [
      "more than the highest weight",
      { cpuMhz: 500_000 },
      { "cpu.max": "20000000 100000", "cpu.weight": "10000" },
    ],
    [
      "reserved cores, which replace the quota",
      { cpuMhz: 5000, cpusetCpus: "0-1,4" },
      { "cpuset.cpus": "0-1,4", "cpu.weight": "200" },
    ],
  ])("has these writes for %s", (_, resources, expected) => {
    expect(planned(resources)).toEqual(expected);
  });

  it.each([
    [undefined, undefined],
    [2, "2"],
    [4_194_304, "4194304"],
  ])("has for a limit of %o processes the value %o", (limit, expected) => {
    expect(planned({}, 2500, { pidsLimit: limit })["pids.max"]).toBe(expected);
  });

  it.each([
    [undefined, "0"],
    [0, "0"],
    [256, "268435456"],
    [-1, "max"],
  ])("has for swap_limit %o the value %o", (swapLimit, expected) => {
    expect(planned({ memoryMb: 64 }, 2500, { swapLimit })["memory.swap.max"]).toBe(expected);
  });

  it("limits CPU time only by its weight if the hard limit is off", () => {
    const options = { cpuHardLimit: false };
    expect(planned({ cpuMhz: 500 }, 2500, options)).toEqual({ "cpu.max": "max 100000", "cpu.weight": "20" });
    expect(planned({ cpuMhz: 500, cpusetCpus: "3" }, 2500, options)).toEqual({
      "cpuset.cpus": "3",
      "cpu.weight": "20",
    });
  });

  it("has a reason for each write", () => {
    const writes = planCgroupWrites(
      { ...none, cpuMhz: 100, memoryMb: 64, memoryMaxMb: 128 },
      { mhzPerCore: 2500 },
      { ...usual, pidsLimit: 50 },
    );
    expect(writes.map(({ file, why }) => `${file}: ${why}`)).toEqual([
      "memory.low: 64 MiB that the task keeps under pressure",
      "memory.max: limit of 128 MiB, by memory_max",
      "memory.swap.max: no swap: memory.max does not limit swapped-out memory",
      "cpu.max: 100 MHz of cores with 2500 MHz",
      "cpu.weight: share among the node's tasks in proportion to their MHz",
      "pids.max: 50 processes and threads at once, init among them",
    ]);
  });

  const resources = fc.record({
    cpuMhz: fc.integer({ min: 0, max: 2_000_000 }),
    memoryMb: fc.integer({ min: 0, max: 16_777_216 }),
    memoryMaxMb: fc.oneof(fc.constantFrom(0, -1), fc.integer({ min: 1, max: 16_777_216 })),
    cpusetCpus: fc.constantFrom("", "0", "1-3"),
  });
  const speed = fc.double({ min: 1, max: 10_000, noNaN: true });

  it("has only values that the kernel accepts, and never two limits of CPU time", () => {
    fc.assert(
      fc.property(resources, speed, (asked, mhzPerCore) => {
        const files = planned(asked, mhzPerCore);
        expect("cpu.max" in files && "cpuset.cpus" in files).toBe(false);
        if (files["cpu.max"]) {
          expect(files["cpu.max"]).toMatch(/^\d+ 100000$/);
          expect(Number.parseInt(files["cpu.max"], 10)).toBeGreaterThanOrEqual(1000);
        }
        if (files["cpu.weight"]) {
          expect(files["cpu.weight"]).toMatch(/^\d+$/);
          expect(Number(files["cpu.weight"])).toBeGreaterThanOrEqual(1);
          expect(Number(files["cpu.weight"])).toBeLessThanOrEqual(10_000);
        }
        for (const file of ["memory.low", "memory.max"]) expect(files[file] ?? "max").toMatch(/^(\d+|max)$/);
        expect(files).not.toHaveProperty("memory.oom.group");
      }),
    );
  });

  it("gives a task that asks for more at least as much", () => {
    const mhz = fc.integer({ min: 1, max: 1_000_000 });
    fc.assert(
      fc.property(mhz, mhz, speed, (one, other, mhzPerCore) => {
        const less = planned({ cpuMhz: Math.min(one, other) }, mhzPerCore);
        const more = planned({ cpuMhz: Math.max(one, other) }, mhzPerCore);
        for (const file of ["cpu.max", "cpu.weight"] as const) {
          const [a, b] = [less, more].map((files) => Number.parseInt(files[file] ?? "", 10)) as [
            number,
            number,
          ];
          expect(a).toBeLessThanOrEqual(b);
        }
      }),
    );
  });
});
