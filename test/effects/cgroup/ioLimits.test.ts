import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parsePluginOptions } from "../../../src/driver/options/pluginOptions.ts";
import { type IoBlocks, type IoDevice, ioProblem, planIo } from "../../../src/effects/cgroup/ioLimits.ts";
import { parseTaskOptions } from "../../../src/effects/parts.ts";
import { errorOf } from "../../support/errors.ts";

const sda: IoDevice = { number: "8:0", name: "sda", obeys: [] };
const vdb: IoDevice = { number: "254:16", name: "vdb", obeys: ["iocost"] };

function planned(task: IoBlocks, plugin: IoBlocks = [], devices = [sda], unlimited: string[] = []) {
  return planIo(task, plugin, { devices, unlimited });
}

describe("limits of I/O", () => {
  it.each([
    ["read", "50MB", "rbps=50000000 wbps=max riops=max wiops=max"],
    ["write", "1.5GiB", "rbps=max wbps=1610612736 riops=max wiops=max"],
    ["write", "1 kB", "rbps=max wbps=1000 riops=max wiops=max"],
    ["read_ops", "500", "rbps=max wbps=max riops=500 wiops=max"],
    ["write_ops", "1", "rbps=max wbps=max riops=max wiops=1"],
  ])("%s = %s is a line of io.max", (name, value, line) => {
    expect(planned([{ [name]: value }])).toEqual([
      expect.objectContaining({ file: "io.max", value: `8:0 ${line}`, isRequired: true }),
    ]);
  });

  it.each([
    ["read", "50"],
    ["read", "50M"],
    ["read", "999B"],
    ["read", "1iB"],
    ["write", "2TB"],
    ["write", "-1MB"],
    ["read_ops", "0"],
    ["read_ops", "1.5"],
    ["write_ops", "4294967296"],
    ["weight", "0"],
    ["weight", "10001"],
  ])("%s = %o is refused, with what to write", (name, value) => {
    expect(ioProblem(name, value)).toMatchObject({
      message: `has ${name} = "${value}"`,
      hint: expect.stringMatching(/^Write /),
    });
  });

  it("refuses other names, and suggests one", () => {
    expect(ioProblem("reads_ops", "5")).toEqual({
      message: 'has "reads_ops", which is not a limit of I/O',
      hint: expect.stringContaining("read_ops"),
    });
  });

  it("are on each disk, and told where there is none", () => {
    const nfs = "the volume at /srv (nfs4 is served by another machine or a process)";
    expect(planned([{ read: "1MB" }], [], [sda, vdb], [nfs])).toEqual([
      expect.objectContaining({ value: expect.stringMatching(/^8:0 rbps=1000000 /), isRequired: true }),
      expect.objectContaining({ value: expect.stringMatching(/^254:16 rbps=1000000 /), isRequired: true }),
      expect.objectContaining({ file: "io.max", problem: `not on ${nfs}` }),
    ]);
  });

  it("of the operator hold for what the job does not limit, and do not keep a task from starting", () => {
    const plugin = [{ read: "9MB", write: "8MB" }];
    expect(planned([], plugin)).toEqual([
      {
        ...{ file: "io.max", value: "8:0 rbps=9000000 wbps=8000000 riops=max wiops=max" },
        why: "I/O: at most read 9MB, write 8MB a second, on sda",
      },
    ]);
    expect(planned([{ read: "1MB" }], plugin)[0]).toMatchObject({
      value: "8:0 rbps=1000000 wbps=8000000 riops=max wiops=max",
      isRequired: true,
    });
    expect(planned([], plugin, [])).toEqual([]);
  });

  it("of a job keep its task from starting where no disk is behind its folders", () => {
    const unlimited = ["the task's folder (overlay is stacked on other file systems)"];
    expect(errorOf(() => planned([{ read: "1MB" }], [], [], unlimited))).toMatchObject({
      code: "CGROUP_UNSUPPORTED",
      message: expect.stringContaining(unlimited[0] ?? ""),
    });
  });

  it.each<[string, IoDevice["obeys"], readonly string[], readonly string[]]>([
    ["nothing", [], [], ["io.weight"]],
    ["iocost", ["iocost"], ["io.weight=default 550"], []],
    ["BFQ", ["bfq"], ["io.bfq.weight=default 141"], []],
    ["both", ["iocost", "bfq"], ["io.weight=default 550", "io.bfq.weight=default 141"], []],
  ])(
    "have a weight that is written for a disk that obeys %s, and otherwise told",
    (_name, obeys, written, told) => {
      const writes = planned([{ weight: "550" }], [], [{ ...sda, obeys }]);
      expect(writes.filter(({ problem }) => !problem).map(({ file, value }) => `${file}=${value}`)).toEqual(
        written,
      );
      expect(writes.filter(({ problem }) => problem).map(({ file }) => file)).toEqual(told);
    },
  );

  it("have a weight that is told where only some of the disks obey one", () => {
    expect(planned([{ weight: "50" }], [], [sda, vdb])).toEqual([
      expect.objectContaining({ file: "io.weight", value: "default 50" }),
      expect.objectContaining({
        ...{ file: "io.weight", value: "default 50" },
        problem: "not on sda: a weight needs io.cost.qos or the I/O scheduler bfq there",
      }),
    ]);
  });

  it("with weights of 1 to 10000 are weights of 1 to 1000 for BFQ, in the same order", () => {
    const bfqOf = (weight: number) =>
      Number(planned([{ weight: String(weight) }], [], [{ ...sda, obeys: ["bfq"] }])[0]?.value.slice(8));
    expect([1, 100, 10_000].map(bfqOf)).toEqual([1, 100, 1_000]);
    const weights = fc.integer({ min: 1, max: 10_000 });
    fc.assert(fc.property(weights, weights, (one, other) => one > other || bfqOf(one) <= bfqOf(other)));
  });
});

describe("the options io and io_max", () => {
  const plugin = parsePluginOptions({ io_max: [{ read: "100MB", weight: "200" }] });

  it("let a job have what the operator allows, and what the operator does not limit", () => {
    const io = [{ read: "100MB", write: "1TB", weight: "50" }];
    expect(parseTaskOptions({ command: "x", io }, plugin).io).toEqual(io);
  });

  it.each([
    [{ read: "96MiB" }, /"io" with read = 96MiB, but this client allows 100MB\. Lower it/],
    [{ weight: "201" }, /"io" with weight = 201, but this client allows 200/],
  ])("refuse %o above the operator's", (io, reason) => {
    expect(errorOf(() => parseTaskOptions({ command: "x", io: [io] }, plugin)).message).toMatch(reason);
  });

  it("refuse what is no limit, in a job and in the plugin's block", () => {
    const message =
      /option "io" entry 1 has read = "fast". Write bytes per second with a unit|option "io" has read = "fast"/;
    expect(errorOf(() => parseTaskOptions({ command: "x", io: [{ read: "fast" }] }, plugin)).message).toMatch(
      message,
    );
    expect(errorOf(() => parsePluginOptions({ io_max: [{ read_ops: "none" }] })).message).toMatch(/"io_max"/);
  });
});
