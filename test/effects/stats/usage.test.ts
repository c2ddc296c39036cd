import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ProcessReading, RunReading } from "../../../src/effects/stats/readings.ts";
import { usageOf } from "../../../src/effects/stats/usage.ts";

const units = { mhzPerCore: 2000, pageSize: 4096 };
const initPid = 100;

const process = (pid: number, differing: Partial<ProcessReading> = {}): ProcessReading => ({
  pid,
  state: "S",
  isEnding: false,
  parent: 1,
  group: 1,
  session: pid,
  startTicks: 1000,
  userTicks: 0,
  systemTicks: 0,
  childUserTicks: 0,
  childSystemTicks: 0,
  rssPages: 0,
  ...differing,
});

/** A reading twelve seconds after boot, of a run whose init started ten seconds after boot. */
const reading = (differing: Partial<RunReading> & { all?: readonly ProcessReading[] } = {}): RunReading => {
  const { all = [process(initPid), process(101)], ...rest } = differing;
  return {
    atMs: 5_000,
    uptimeMs: 12_000,
    startTicks: 1000,
    cpu: { userUs: 900_000_000, systemUs: 90_000_000, throttled: undefined },
    memory: { usage: 1 << 20, rss: 1 << 19 },
    processes: new Map(all.map((each) => [each.pid, each])),
    initPid,
    shared: false,
    ...rest,
  };
};

describe("the first sample of a run", () => {
  it("has the average since the run began, without the usage of earlier runs in its cgroup", () => {
    const all = [
      process(initPid, { childUserTicks: 30, childSystemTicks: 10 }),
      process(101, { userTicks: 50, systemTicks: 10 }),
    ];
    const { total } = usageOf(undefined, reading({ all }), units);
    // The run is two seconds old, with 0.8 s in user mode and 0.2 s in the kernel.
    expect(total.cpu).toMatchObject({ userPercent: 40, systemPercent: 10, mhz: 1000 });
  });

  it("of a run that has just started has no impossibly high rate", () => {
    const all = [process(initPid), process(101, { userTicks: 1 })];
    const { total } = usageOf(undefined, reading({ all, uptimeMs: 10_000 }), units);
    expect(total.cpu.userPercent).toBe(100);
  });

  it("has each process's average since its own start", () => {
    const all = [process(initPid), process(102, { startTicks: 1100, userTicks: 25 })];
    const { processes } = usageOf(undefined, reading({ all }), units);
    expect(processes.get(102)?.cpu).toMatchObject({ userPercent: 25, systemPercent: 0, mhz: 500 });
  });
});

describe("a later sample", () => {
  const later = { atMs: 7_000, uptimeMs: 14_000 };

  it("has the usage of the cgroup since the previous sample", () => {
    const cpu = { userUs: 901_000_000, systemUs: 90_500_000, throttled: { periods: 3, us: 70 } };
    const { total } = usageOf(reading(), reading({ ...later, cpu }), units);
    expect(total.cpu).toEqual({
      userPercent: 50,
      systemPercent: 25,
      mhz: 1500,
      throttled: { periods: 3, us: 70 },
    });
    expect(total.memory).toEqual({ usage: 1 << 20, rss: 1 << 19 });
  });

  it("has only the run's own processes while another run is in the cgroup", () => {
    const before = reading({ all: [process(initPid), process(101, { userTicks: 10 })] });
    const all = [process(initPid, { rssPages: 1 }), process(101, { userTicks: 110, rssPages: 9 })];
    const cpu = { userUs: 999_000_000, systemUs: 99_000_000, throttled: undefined };
    const { total } = usageOf(before, reading({ ...later, all, cpu, shared: true }), units);
    expect(total.cpu).toMatchObject({ userPercent: 50, systemPercent: 0 });
    expect(total.memory).toEqual({ rss: 10 * 4096 });
  });

  it("distinguishes a process from an earlier one with its pid", () => {
    const before = reading({ all: [process(initPid), process(101, { userTicks: 90 })] });
    const all = [process(initPid), process(101, { startTicks: 1300, userTicks: 100 })];
    const { processes } = usageOf(before, reading({ ...later, all }), units);
    expect(processes.get(101)?.cpu.userPercent).toBe(50);
  });

  it("is never negative, although the time of an unreaped child is lost", () => {
    const before = reading({ shared: true, all: [process(initPid), process(101, { userTicks: 90 })] });
    const { total } = usageOf(before, reading({ ...later, shared: true, all: [process(initPid)] }), units);
    expect(total.cpu.userPercent).toBe(0);
  });
});

it("without a memory controller, memory is the processes' resident memory", () => {
  const all = [process(initPid, { rssPages: 1 }), process(101, { rssPages: 2 })];
  const { total, processes } = usageOf(undefined, reading({ memory: {}, all }), units);
  expect(total.memory).toEqual({ rss: 3 * 4096 });
  expect([...processes]).toMatchObject([[101, { memory: { rss: 2 * 4096 } }]]);
});

it("rates are finite, not negative, and add up", () => {
  const stat = fc
    .record({
      pid: fc.integer({ min: 99, max: 105 }),
      session: fc.nat(),
      startTicks: fc.nat(1500),
      userTicks: fc.nat(),
      systemTicks: fc.nat(),
    })
    .map(({ pid, ...rest }) => process(pid, rest));
  const any = fc
    .record({ atMs: fc.nat(), uptimeMs: fc.nat(), shared: fc.boolean(), all: fc.array(stat) })
    .map(reading);
  fc.assert(
    fc.property(fc.option(any, { nil: undefined }), any, (before, now) => {
      const { total, processes } = usageOf(before, now, units);
      for (const { cpu } of [total, ...processes.values()]) {
        expect(Number.isFinite(cpu.userPercent) && cpu.userPercent >= 0).toBe(true);
        const percent = cpu.userPercent + cpu.systemPercent;
        expect(Math.abs(cpu.mhz / 20 - percent)).toBeLessThanOrEqual(percent * 1e-9);
      }
      expect([...processes.keys()]).toEqual([...now.processes.keys()].filter((pid) => pid !== initPid));
    }),
  );
});
