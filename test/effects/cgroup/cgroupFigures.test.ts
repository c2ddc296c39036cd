import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  parseBytes,
  parseCpuStat,
  parseFlatKeyed,
  parseIoStat,
  parseMemory,
} from "../../../src/effects/cgroup/cgroupFigures.ts";

const cpuStat = `usage_usec 5300
user_usec 4000
system_usec 1300
nice_usec 0
core_sched.force_idle_usec 0`;
const withController = `${cpuStat}
nr_periods 12
nr_throttled 7
throttled_usec 81234
nr_bursts 0
burst_usec 0
`;

describe("io.stat", () => {
  const stat =
    "8:0 rbytes=4096 wbytes=512 rios=1 wios=2 dbytes=9 dios=9\n253:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n8:16 \n7:0 rbytes=10 wbytes=20 rios=3 wios=4 dbytes=0 dios=0\n";

  it("is summed over the disks that count", () => {
    expect(parseIoStat(stat, (device) => device !== "253:0")).toEqual({
      ...{ readBytes: 4106, writtenBytes: 532, reads: 4, writes: 6 },
    });
  });

  it("of a cgroup that has done no I/O is empty", () => {
    expect(parseIoStat("", () => true)).toEqual({ readBytes: 0, writtenBytes: 0, reads: 0, writes: 0 });
  });
});

describe("cpu.stat", () => {
  it("has user and system time on every host, and throttling only with the cpu controller", () => {
    expect(parseCpuStat(cpuStat)).toEqual({ userUs: 4000, systemUs: 1300, throttled: undefined });
    expect(parseCpuStat(withController)).toEqual({
      userUs: 4000,
      systemUs: 1300,
      throttled: { periods: 7, us: 81234 },
    });
  });

  it.each(["", "usage_usec 1", "user_usec x\nsystem_usec y"])("has no figures if it is %j", (text) => {
    expect(parseCpuStat(text)).toBeUndefined();
  });
});

describe("the memory controller's files", () => {
  const stat = "anon 1000\nfile 2000\nkernel 300\nkernel_stack 100\nslab 50\nworkingset_refault_anon 0\n";

  it("are taken together", () => {
    expect(parseMemory({ stat, current: "4096\n", peak: "8192\n", swap: "16\n" })).toEqual({
      rss: 1000,
      cache: 2000,
      kernelUsage: 300,
      usage: 4096,
      maxUsage: 8192,
      swap: 16,
    });
  });

  it("omit values that a kernel or host does not report", () => {
    const none = { stat: undefined, current: undefined, peak: undefined, swap: undefined };
    expect(Object.values(parseMemory(none))).toEqual(new Array(6).fill(undefined));
    expect(parseMemory({ ...none, stat: "anon 1\n" })).toMatchObject({ rss: 1, kernelUsage: undefined });
  });

  it("have the kernel's memory as a sum of its parts before Linux 5.18", () => {
    const older = "anon 1\nkernel_stack 100\npagetables 10\npercpu 4\nslab 50\n";
    const none = { current: undefined, peak: undefined, swap: undefined };
    expect(parseMemory({ ...none, stat: older })).toMatchObject({ kernelUsage: 164 });
  });
});

describe("flat keyed files", () => {
  it("are parsed even if they contain lines of other forms", () => {
    const name = fc.stringMatching(/^[a-z_.]+$/);
    const noise = fc.constantFrom("", "max", "a b c", "name -1", " leading 1", "name 1 ");
    fc.assert(
      fc.property(fc.dictionary(name, fc.nat()), fc.array(noise), (entries, others) => {
        const lines = Object.entries(entries).map(([key, value]) => `${key} ${value}`);
        const text = [...others, ...lines, ...others].join("\n");
        expect(parseFlatKeyed(text)).toEqual(new Map(Object.entries(entries)));
      }),
    );
  });
});

describe("a file with one number", () => {
  it.each([
    ["4096\n", 4096],
    ["0", 0],
    ["max\n", undefined],
    ["", undefined],
    ["-1", undefined],
    [undefined, undefined],
  ])("that is %j has the value %o", (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });
});
