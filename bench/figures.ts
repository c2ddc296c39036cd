/** Measures durations, processor time and memory, and prints a line for each figure. */
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

/** @param share between 0 and 1 */
export function percentile(times: readonly number[], share: number): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

/** Prints percentiles of times in milliseconds; with a baseline, also the ratio of the medians. */
export function printTimes(name: string, times: readonly number[], baseline?: readonly number[]): void {
  const at = (share: number) => percentile(times, share).toFixed(2);
  const ratio = baseline
    ? `  (${(percentile(times, 0.5) / percentile(baseline, 0.5)).toFixed(2)} × the baseline)`
    : "";
  printFigure(name, `p50 ${at(0.5)}  p90 ${at(0.9)}  p99 ${at(0.99)} ms${ratio}`);
}

/** @returns the duration of an action in milliseconds */
export async function timed(action: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await action();
  return performance.now() - begin;
}

/** @returns the durations of an action that is carried out repeatedly, in milliseconds */
export async function timesOf(
  rounds: number,
  action: (round: number) => Promise<unknown>,
): Promise<number[]> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) times.push(await timed(() => action(round)));
  return times;
}

/** @returns the number of cores that a process uses on average over a time in seconds */
export async function cpuOver(pid: number, seconds: number): Promise<number> {
  const [before, began] = [cpuMs(pid), performance.now()];
  await delay(seconds * 1000);
  return (cpuMs(pid) - before) / (performance.now() - began);
}

/** User and system time in milliseconds, accurate to 10 ms: fields 14 and 15 of proc_pid_stat(5). */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Processor time of a process's living threads in milliseconds, accurate to 1 µs: proc_pid_schedstat. */
export function threadsCpuMs(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  const times = threads.map((thread) => readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8"));
  return times.reduce((sum, text) => sum + Number(text.split(" ", 1)[0]) / 1e6, 0);
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
