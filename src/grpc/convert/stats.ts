/** Converts a task's resource usage to messages. Pure. */
import type { TaskUsage } from "../../driver/driverPort.ts";
import type { MemoryFigures } from "../../effects/cgroup/cgroupFigures.ts";
import type { CpuUsage, ResourceUsage } from "../../effects/stats/usage.ts";
import {
  type CPUUsage,
  CPUUsage_Fields as CpuField,
  MemoryUsage_Fields as MemoryField,
  type MemoryUsage,
  type TaskResourceUsage,
  type TaskStats,
} from "../generated/nomad/driver.ts";
import { timestampOf } from "./time.ts";

export function taskStatsOf(id: string, { timeMs, total, processes }: TaskUsage): TaskStats {
  return {
    id,
    timestamp: timestampOf(timeMs),
    aggResourceUsage: resourcesOf(total),
    resourceUsageByPid: new Map([...processes].map(([pid, usage]) => [String(pid), resourcesOf(usage)])),
  };
}

function resourcesOf({ cpu, memory }: ResourceUsage): TaskResourceUsage {
  return { cpu: cpuOf(cpu), memory: memoryOf(memory) };
}

function cpuOf({ userPercent, systemPercent, mhz, throttled }: CpuUsage): CPUUsage {
  const { SYSTEM_MODE, USER_MODE, TOTAL_TICKS, THROTTLED_PERIODS, THROTTLED_TIME, PERCENT } = CpuField;
  return {
    systemMode: systemPercent,
    userMode: userPercent,
    totalTicks: mhz,
    throttledPeriods: throttled?.periods ?? 0,
    throttledTime: (throttled?.us ?? 0) * 1000,
    percent: userPercent + systemPercent,
    measuredFields: [
      SYSTEM_MODE,
      USER_MODE,
      TOTAL_TICKS,
      ...(throttled ? [THROTTLED_PERIODS, THROTTLED_TIME] : []),
      PERCENT,
    ],
  };
}

/** `measuredFields` omits unknown figures: otherwise their 0 would count as measured. */
function memoryOf(figures: MemoryFigures): MemoryUsage {
  const { RSS, CACHE, MAX_USAGE, KERNEL_USAGE, USAGE, SWAP } = MemoryField;
  const { rss, cache, maxUsage, kernelUsage, usage, swap } = figures;
  const fields = [
    [RSS, rss],
    [CACHE, cache],
    [MAX_USAGE, maxUsage],
    [KERNEL_USAGE, kernelUsage],
    [USAGE, usage],
    [SWAP, swap],
  ] as const;
  return {
    rss: rss ?? 0,
    cache: cache ?? 0,
    maxUsage: maxUsage ?? 0,
    kernelUsage: kernelUsage ?? 0,
    // cgroup v2 does not record it.
    kernelMaxUsage: 0,
    usage: usage ?? 0,
    swap: swap ?? 0,
    measuredFields: fields.flatMap(([field, value]) => (value === undefined ? [] : [field])),
  };
}
