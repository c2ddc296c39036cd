/** Measures the CPU time of a process. */
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

/** @returns the number of cores that a process uses on average over a time in seconds */
export async function cpuOver(pid: number, seconds: number): Promise<number> {
  const [before, began] = [cpuMs(pid), performance.now()];
  await delay(seconds * 1000);
  return (cpuMs(pid) - before) / (performance.now() - began);
}

/** User and system time in milliseconds, accurate to 10: fields 14 and 15 of proc_pid_stat(5). */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Processor time of a process's living threads in milliseconds, accurate to microseconds: proc_pid_schedstat. */
export function threadsCpuMs(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  const times = threads.map((thread) => readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8"));
  return times.reduce((sum, text) => sum + Number(text.split(" ", 1)[0]) / 1e6, 0);
}
