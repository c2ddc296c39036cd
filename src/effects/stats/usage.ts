/** Computes a run's use of resources from two readings of its counters. Pure. */

import type { MemoryFigures } from "../cgroup/cgroupFigures.ts";
import { type ProcessStat, ticksPerSecond } from "../processes/processStat.ts";
import type { RunReading } from "./readings.ts";

export interface CpuUsage {
  /** Percent of one core. */
  readonly userPercent: number;
  readonly systemPercent: number;
  /** User and system time together, in MHz of the node's cores, which is Nomad's unit. */
  readonly mhz: number;
  /**
   * Throttling of the cgroup since its creation; undefined without the cpu controller, and for single
   * processes.
   */
  readonly throttled?: { readonly periods: number; readonly us: number } | undefined;
}

export interface ResourceUsage {
  readonly cpu: CpuUsage;
  readonly memory: MemoryFigures;
}

export interface RunUsage {
  readonly total: ResourceUsage;
  /** The task's own processes, without init, by pid on the host. */
  readonly processes: ReadonlyMap<number, ResourceUsage>;
}

/** Units of the host's counters. */
export interface Units {
  readonly mhzPerCore: number;
  /** Size of a memory page in bytes. */
  readonly pageSize: number;
}

/**
 * Computes the use of CPU between two readings. With only one reading, the result is the average since the
 * run began.
 *
 * While the run is alone in its cgroup, the figures are the cgroup's. While the run shares the cgroup with
 * another run, they are sums over the run's processes. The average since the run began is always such a sum,
 * and so is the memory figure on a host without the memory controller.
 */
export function usageOf(previous: RunReading | undefined, now: RunReading, units: Units): RunUsage {
  const processes = [...now.processes].filter(([pid]) => pid !== now.initPid);
  const elapsedMs = now.atMs - (previous?.atMs ?? 0);
  return {
    total: {
      cpu: { ...inUnits(totalRates(previous, now), units), throttled: now.cpu?.throttled },
      memory: now.shared || now.memory.usage === undefined ? residentOf(now, units) : now.memory,
    },
    processes: new Map(
      processes.map(([pid, stat]) => {
        const last = previous?.processes.get(pid);
        const known = last?.startTicks === stat.startTicks ? last : undefined;
        const spanMs = previous === undefined ? ageMs(stat.startTicks, now) : elapsedMs;
        const rates = ratesOf(cpuTimeOf(stat), known && cpuTimeOf(known), spanMs);
        return [pid, { cpu: inUnits(rates, units), memory: { rss: stat.rssPages * units.pageSize } }];
      }),
    ),
  };
}

interface CpuTime {
  readonly userMs: number;
  readonly systemMs: number;
}

interface Rates {
  readonly userPercent: number;
  readonly systemPercent: number;
}

function totalRates(previous: RunReading | undefined, now: RunReading): Rates {
  // Earlier runs have used the cgroup, too, so only differences between its counters are meaningful.
  if (previous === undefined) return ratesOf(totalCpuTime(now), undefined, ageMs(now.startTicks, now));
  const elapsedMs = now.atMs - previous.atMs;
  if (previous.shared || now.shared || previous.cpu === undefined || now.cpu === undefined) {
    return ratesOf(totalCpuTime(now), totalCpuTime(previous), elapsedMs);
  }
  const inMs = ({ userUs, systemUs }: { userUs: number; systemUs: number }) => ({
    userMs: userUs / 1000,
    systemMs: systemUs / 1000,
  });
  return ratesOf(inMs(now.cpu), inMs(previous.cpu), elapsedMs);
}

const zero: CpuTime = { userMs: 0, systemMs: 0 };

/**
 * A sum may decrease, because the CPU time of a process is lost if nobody waits for it. A decrease counts as
 * 0.
 */
function ratesOf(now: CpuTime, previous: CpuTime = zero, elapsedMs: number): Rates {
  const percent = (used: number) => (elapsedMs > 0 ? Math.max(0, (used / elapsedMs) * 100) : 0);
  return {
    userPercent: percent(now.userMs - previous.userMs),
    systemPercent: percent(now.systemMs - previous.systemMs),
  };
}

function inUnits(rates: Rates, { mhzPerCore }: Units) {
  return { ...rates, mhz: ((rates.userPercent + rates.systemPercent) / 100) * mhzPerCore };
}

const msPerTick = 1000 / ticksPerSecond;

/** The age of a process, at least one tick, which is the kernel's unit. */
function ageMs(startTicks: number, { uptimeMs }: RunReading): number {
  return Math.max(msPerTick, uptimeMs - startTicks * msPerTick);
}

function cpuTimeOf({ userTicks, systemTicks }: ProcessStat): CpuTime {
  return { userMs: userTicks * msPerTick, systemMs: systemTicks * msPerTick };
}

/** Includes children that have exited: everything that the run has ever used. */
function totalCpuTime({ processes }: RunReading): CpuTime {
  const sum = (ticks: (stat: ProcessStat) => number) =>
    [...processes.values()].reduce((total, stat) => total + ticks(stat), 0) * msPerTick;
  return {
    userMs: sum(({ userTicks, childUserTicks }) => userTicks + childUserTicks),
    systemMs: sum(({ systemTicks, childSystemTicks }) => systemTicks + childSystemTicks),
  };
}

/** Counts shared pages once for each process. */
function residentOf({ processes }: RunReading, { pageSize }: Units): MemoryFigures {
  const pages = [...processes.values()].reduce((sum, { rssPages }) => sum + rssPages, 0);
  return { rss: pages * pageSize };
}
