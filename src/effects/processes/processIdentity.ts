/**
 * Which process a number means. Pids are used again; a pid with its start time
 * is not, as long as the host has not been booted anew.
 */
import { readdirSync, readFileSync } from "node:fs";
import { uptime } from "node:os";
import { DriverError, errnoOf } from "../../errors.ts";
import { type ProcessIdentity, type ProcessStat, parseStat, ticksPerSecond } from "./processStat.ts";

export type { ProcessIdentity } from "./processStat.ts";

/**
 * Identity of a process that lives, or is a zombie still.
 * @throws DriverError `KERNEL_CALL_FAILED` where there is no such process
 */
export function processIdentity(pid: number): ProcessIdentity {
  const stat = readStat(pid);
  if (stat !== undefined) return { pid, startTicks: stat.startTicks };
  throw new DriverError("KERNEL_CALL_FAILED", `there is no process ${pid}`, {
    failed: { call: "open", path: `/proc/${pid}/stat`, errno: "ENOENT" },
  });
}

/**
 * True while that very process lives. A zombie does not: it has ended.
 * Means nothing for an identity of an earlier boot: compare {@link bootId} first.
 */
export function isSameProcess({ pid, startTicks }: ProcessIdentity): boolean {
  return livingStat(pid)?.startTicks === startTicks;
}

/** When a process of the present boot was started: milliseconds since the epoch, to a hundredth of a second. */
export function startedAt({ startTicks }: Pick<ProcessIdentity, "startTicks">): number {
  return Date.now() - uptime() * 1000 + (startTicks * 1000) / ticksPerSecond;
}

/** What is known of a process that has not ended; undefined for a zombie, and where there is none. */
export function livingStat(pid: number): ProcessStat | undefined {
  const stat = readStat(pid);
  return stat === undefined || stat.state === "Z" || stat.state === "X" ? undefined : stat;
}

/** All processes of the host that have not ended. */
export function livingProcesses(): ProcessStat[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => livingStat(Number(pid)))
    .filter((stat) => stat !== undefined);
}

/** The kernel's random name for the time since it was booted (random(4)). */
export function bootId(): string {
  knownBootId ??= readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  return knownBootId;
}

let knownBootId: string | undefined;

/**
 * What `/proc/<pid>/stat` says; undefined where there is no such process.
 * Costs some 15 µs and waits for nothing: the kernel takes no lock for it that the process could hold for long.
 */
export function readStat(pid: number): ProcessStat | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch (thrown) {
    // ESRCH: it was reaped between open and read.
    if (errnoOf(thrown) === "ENOENT" || errnoOf(thrown) === "ESRCH") return undefined;
    throw DriverError.from(thrown, "KERNEL_CALL_FAILED", `process ${pid} cannot be looked at`);
  }
}
