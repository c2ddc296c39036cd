import { describe, expect, it } from "vitest";
import { parsePluginOptions } from "../../../src/driver/options/pluginOptions.ts";
import { planCgroupWrites } from "../../../src/effects/cgroup/cgroupPlan.ts";
import type { HugePages } from "../../../src/effects/cgroup/hugePages.ts";
import { parseTaskOptions } from "../../../src/effects/parts.ts";
import { errorOf } from "../../support/errors.ts";

const plugin = parsePluginOptions({ hugepages: { "2MB": 64, "1GB": 0 } });

/** The writes of a task that has no other limits. */
function writesOf(task: HugePages, operator: HugePages) {
  const resources = { cpuMhz: 0, memoryMb: 0, memoryMaxMb: 0, cpusetCpus: "", cgroup: "/sys/fs/cgroup/a" };
  const own = { cpuHardLimit: true, hugepages: task };
  return planCgroupWrites(resources, { mhzPerCore: 2500 }, own, { hugepages: operator });
}

describe("limits of huge pages", () => {
  it("are bytes for what is touched and for what is reserved", () => {
    expect(writesOf({ "2MB": 64 }, {})).toEqual([
      {
        ...{ file: "hugetlb.2MB.rsvd.max", value: "67108864", isRequired: true },
        why: "64 MiB in huge pages of 2MB",
      },
      {
        ...{ file: "hugetlb.2MB.max", value: "67108864", isRequired: true },
        why: "64 MiB in huge pages of 2MB",
      },
    ]);
  });

  it("of the operator hold for sizes that the job does not limit, and do not keep a task from starting", () => {
    const writes = writesOf({ "2MB": 2 }, { "2MB": 64, "1GB": 0 });
    expect(writes.map(({ file, value, isRequired = false }) => [file, value, isRequired])).toEqual([
      ["hugetlb.2MB.rsvd.max", "2097152", true],
      ["hugetlb.2MB.max", "2097152", true],
      ["hugetlb.1GB.rsvd.max", "0", false],
      ["hugetlb.1GB.max", "0", false],
    ]);
    expect(writesOf({}, {})).toEqual([]);
  });

  it.each([[{ "2MB": 64 }], [{ "2MB": 0, "512MB": 1_024 }], [{ "64KB": 3 }]])("may be %o", (hugepages) => {
    expect(parseTaskOptions({ command: "x", hugepages }, plugin).hugepages).toEqual(hugepages);
  });

  it.each([
    [
      { "2MB": 65 },
      /"hugepages" has "2MB" = 65\. Write a number of MiB that is a multiple of the page's 2 MiB/,
    ],
    [{ "2M": 64 }, /has "2M", which is no size of huge pages/],
    [{ "2MB": -2 }, /has "2MB" = -2/],
    [{ "2MB": 1.5 }, /must be a whole number/],
    [{ "2MB": "65MB" }, /"hugepages" has "2MB" = 62 MiB\. Write a number of MiB that is a multiple/],
    [{ "2MB": "66MiB" }, /"hugepages" with 66 MiB of 2MB/],
    [{ "2MB": 66 }, /"hugepages" with 66 MiB of 2MB, but this client allows 64 MiB\. Lower it/],
    [5, /"hugepages" must be a map of sizes and MiB, not a number/],
  ])("must not be %o", (hugepages, reason) => {
    expect(errorOf(() => parseTaskOptions({ command: "x", hugepages }, plugin)).message).toMatch(reason);
  });
});
