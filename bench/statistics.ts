/** Figures of a run: percentiles of times, and one line each. */

/** @param share between 0 and 1 */
export function percentile(times: readonly number[], share: number): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

/** Prints a name and, in milliseconds, the percentiles of its times; with a baseline, the ratio of the medians too. */
export function printTimes(name: string, times: readonly number[], baseline?: readonly number[]): void {
  const at = (share: number) => percentile(times, share).toFixed(2);
  const ratio = baseline
    ? `  (${(percentile(times, 0.5) / percentile(baseline, 0.5)).toFixed(1)} × the baseline)`
    : "";
  printFigure(name, `p50 ${at(0.5)}  p90 ${at(0.9)}  p99 ${at(0.99)} ms${ratio}`);
}

export function printFigure(name: string, figure: string): void {
  console.log(`${name.padEnd(46)} ${figure}`);
}
