/** What a run uses, from two readings of its counters. Pure. */
import { type ProcessStat, ticksPerSecond } from "../processes/processStat.ts";
import type { MemoryFigures } from "./cgroupFigures.ts";
import type { RunReading } from "./runReading.ts";

export interface CpuUsage {
  /** Percent of one core. */
  readonly userPercent: number;
  readonly systemPercent: number;
  /** Both together as MHz of the node's cores: what the scheduler counts in. */
  readonly mhz: number;
  /** Of the cgroup since it was made; undefined without the cpu controller, and for single processes. */
  readonly throttled?: { readonly periods: number; readonly us: number } | undefined;
}

export interface ResourceUsage {
  readonly cpu: CpuUsage;
  readonly memory: MemoryFigures;
}

export interface RunUsage {
  readonly total: ResourceUsage;
  /** Of the task's own processes, without init, by pid on the host. */
  readonly processes: ReadonlyMap<number, ResourceUsage>;
}

/** What the host's figures are counted in. */
export interface Units {
  readonly mhzPerCore: number;
  /** Bytes of a page of memory. */
  readonly pageSize: number;
}

/**
 * The use of CPU between two readings; with only one, that since the run began,
 * which is all that can be known then.
 *
 * The cgroup's figures are the run's as long as it is alone in it. While it
 * shares it with another run, and where the host has no memory controller, the
 * sum over its processes is told instead.
 */
export function usageOf(before: RunReading | undefined, now: RunReading, units: Units): RunUsage {
  const processes = [...now.processes].filter(([pid]) => pid !== now.initPid);
  const elapsedMs = now.atMs - (before?.atMs ?? 0);
  return {
    total: {
      cpu: { ...inUnits(totalRates(before, now), units), throttled: now.cpu?.throttled },
      memory: now.shared || now.memory.usage === undefined ? residentOf(now, units) : now.memory,
    },
    processes: new Map(
      processes.map(([pid, stat]) => {
        const last = before?.processes.get(pid);
        const known = last?.startTicks === stat.startTicks ? last : undefined;
        const spanMs = before === undefined ? ageMs(stat.startTicks, now) : elapsedMs;
        const rates = ratesOf(spent(stat), known && spent(known), spanMs);
        return [pid, { cpu: inUnits(rates, units), memory: { rss: stat.rssPages * units.pageSize } }];
      }),
    ),
  };
}

/** Milliseconds of CPU. */
interface Spent {
  readonly userMs: number;
  readonly systemMs: number;
}

interface Rates {
  readonly userPercent: number;
  readonly systemPercent: number;
}

function totalRates(before: RunReading | undefined, now: RunReading): Rates {
  // Earlier runs have used the cgroup too, so its counters tell something only from one reading to the next.
  if (before === undefined) return ratesOf(spentByAll(now), undefined, ageMs(now.startTicks, now));
  const elapsedMs = now.atMs - before.atMs;
  if (before.shared || now.shared || before.cpu === undefined || now.cpu === undefined) {
    return ratesOf(spentByAll(now), spentByAll(before), elapsedMs);
  }
  const inMs = ({ userUs, systemUs }: { userUs: number; systemUs: number }) => ({
    userMs: userUs / 1000,
    systemMs: systemUs / 1000,
  });
  return ratesOf(inMs(now.cpu), inMs(before.cpu), elapsedMs);
}

const none: Spent = { userMs: 0, systemMs: 0 };

/** A process that nobody waited for takes what it has used along: then there is less than before. */
function ratesOf(now: Spent, before: Spent = none, elapsedMs: number): Rates {
  const percent = (used: number) => (elapsedMs > 0 ? Math.max(0, (used / elapsedMs) * 100) : 0);
  return {
    userPercent: percent(now.userMs - before.userMs),
    systemPercent: percent(now.systemMs - before.systemMs),
  };
}

function inUnits(rates: Rates, { mhzPerCore }: Units) {
  return { ...rates, mhz: ((rates.userPercent + rates.systemPercent) / 100) * mhzPerCore };
}

const msPerTick = 1000 / ticksPerSecond;

/** Not less than a tick, in which the kernel counts. */
function ageMs(startTicks: number, { uptimeMs }: RunReading): number {
  return Math.max(msPerTick, uptimeMs - startTicks * msPerTick);
}

function spent({ userTicks, systemTicks }: ProcessStat): Spent {
  return { userMs: userTicks * msPerTick, systemMs: systemTicks * msPerTick };
}

/** With the children that have ended: everything that the run has ever used. */
function spentByAll({ processes }: RunReading): Spent {
  const sum = (ticks: (stat: ProcessStat) => number) =>
    [...processes.values()].reduce((total, stat) => total + ticks(stat), 0) * msPerTick;
  return {
    userMs: sum(({ userTicks, childUserTicks }) => userTicks + childUserTicks),
    systemMs: sum(({ systemTicks, childSystemTicks }) => systemTicks + childSystemTicks),
  };
}

/** Pages that processes share are counted for each of them. */
function residentOf({ processes }: RunReading, { pageSize }: Units): MemoryFigures {
  const pages = [...processes.values()].reduce((sum, { rssPages }) => sum + rssPages, 0);
  return { rss: pages * pageSize };
}
