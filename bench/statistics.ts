/** Measures times and memory, and prints a line for each figure. */
import { readFileSync } from "node:fs";

/** @param share between 0 and 1 */
export function percentile(times: readonly number[], share: number): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

/** Prints percentiles of times in milliseconds; with a baseline, also the ratio of the medians. */
export function printTimes(name: string, times: readonly number[], baseline?: readonly number[]): void {
  const at = (share: number) => percentile(times, share).toFixed(2);
  const ratio = baseline
    ? `  (${(percentile(times, 0.5) / percentile(baseline, 0.5)).toFixed(1)} × the baseline)`
    : "";
  printFigure(name, `p50 ${at(0.5)}  p90 ${at(0.9)}  p99 ${at(0.99)} ms${ratio}`);
}

/** @returns the duration of an action in milliseconds */
export async function timed(action: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await action();
  return performance.now() - begin;
}

/** @returns the memory of a process in KiB: its own, and its share of memory that others map, too (PSS) */
export function pssOf(pid: number): number {
  return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1]);
}

export function formatMib(kib: number): string {
  return `${(kib / 1024).toFixed(1)} MiB`;
}

export function printFigure(name: string, figure: string): void {
  console.log(`${name.padEnd(46)} ${figure}`);
}
