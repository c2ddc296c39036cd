/**
 * Identifies processes. The kernel reuses pids, but a pid together with the process's start time is unique
 * until the next boot.
 */
import { readdirSync, readFileSync } from "node:fs";
import { uptime } from "node:os";
import { DriverError, errnoOf } from "../../base/errors.ts";
import { type ProcessIdentity, type ProcessStat, parseStat, ticksPerSecond } from "./processStat.ts";

export { bootId } from "../kernel/kernelFiles.ts";
export type { ProcessIdentity } from "./processStat.ts";

/**
 * The identity of a running process or a zombie.
 * @throws DriverError `KERNEL_CALL_FAILED` if there is no such process
 */
export function processIdentity(pid: number): ProcessIdentity {
  const stat = readStat(pid);
  if (stat !== undefined) return { pid, startTicks: stat.startTicks };
  throw new DriverError("KERNEL_CALL_FAILED", `there is no process ${pid}`, {
    failed: { call: "open", path: `/proc/${pid}/stat`, errno: "ENOENT" },
  });
}

/**
 * Whether exactly this process is still running. A zombie counts as exited. The result means nothing for an
 * identity from an earlier boot: compare {@link bootId} first.
 */
export function isSameProcess({ pid, startTicks }: ProcessIdentity): boolean {
  return livingStat(pid)?.startTicks === startTicks;
}

/** Like {@link isSameProcess}, but false already for a process that is being killed. */
export function isGoingOn({ pid, startTicks }: ProcessIdentity): boolean {
  const stat = livingStat(pid);
  return stat?.startTicks === startTicks && !stat.isEnding;
}

/** Start time of a process of the current boot: milliseconds since the epoch, accurate to 10 ms. */
export function startedAt({ startTicks }: Pick<ProcessIdentity, "startTicks">): number {
  return Date.now() - uptime() * 1000 + (startTicks * 1000) / ticksPerSecond;
}

/** The stat of a process that has not exited; undefined for a zombie, or if there is no such process. */
export function livingStat(pid: number): ProcessStat | undefined {
  const stat = readStat(pid);
  return stat === undefined || stat.state === "Z" || stat.state === "X" ? undefined : stat;
}

/** All processes of the host that have not exited. */
export function livingProcesses(): ProcessStat[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => livingStat(Number(pid)))
    .filter((stat) => stat !== undefined);
}

/**
 * Reads `/proc/<pid>/stat`; undefined if there is no such process.
 * Takes some 15 µs and does not block: the kernel needs no lock that the process could hold for long.
 */
export function readStat(pid: number): ProcessStat | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch (thrown) {
    // ESRCH: the process was reaped between open and read.
    if (errnoOf(thrown) === "ENOENT" || errnoOf(thrown) === "ESRCH") return undefined;
    throw DriverError.from(thrown, "KERNEL_CALL_FAILED", `process ${pid} cannot be read`);
  }
}
