/** Thinning out samples of a task's usage. Pure. */
import type { UsageSample } from "./usageSample.ts";

/** This many of the newest samples are never thinned out. */
const recent = 64;

/**
 * Thins out samples so that the rest still covers the task's whole life. The older samples are divided into
 * equal spans of time, and each span keeps one. If there are too many spans, their length doubles. A longer
 * span begins where a shorter one began, so thinning out repeatedly gives the same samples as thinning out
 * once. The first sample is kept, because the sums begin there.
 * @param samples in the order of time
 * @param most number of samples to keep, more than {@link recent}
 */
export function thinned(samples: readonly UsageSample[], most: number): UsageSample[] {
  const first = samples.slice(0, 1);
  const older = samples.slice(1, -recent);
  const newest = samples.slice(-recent);
  for (let spanMs = 1_000; ; spanMs *= 2) {
    const spans = Map.groupBy(older, ({ time }) => Math.floor(time / spanMs));
    if (spans.size <= most - recent - 1) return [...first, ...[...spans.values()].map(merged), ...newest];
  }
}

/** The last of the samples, with the maximum memory and number of processes of all. */
function merged(samples: readonly UsageSample[]): UsageSample {
  const most = (figure: (sample: UsageSample) => number) =>
    samples.reduce(
      (max, sample) => (figure(sample) > max || Number.isNaN(max) ? figure(sample) : max),
      Number.NaN,
    );
  return {
    ...(samples.at(-1) as UsageSample),
    memoryBytes: most(({ memoryBytes }) => memoryBytes),
    pids: most(({ pids }) => pids),
  };
}
