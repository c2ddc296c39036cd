/**
 * Which process a number means. Pids are used again; a pid with its start time
 * is not, as long as the host has not been booted anew.
 */
import { readFileSync } from "node:fs";
import { DriverError, errnoOf } from "../errors.ts";

/** A process of the present boot. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Start time in clock ticks since boot: field 22 of proc_pid_stat(5). */
  readonly startTicks: number;
}

/** What {@link parseStat} finds in a line of `/proc/<pid>/stat`. */
export interface ProcessStat extends ProcessIdentity {
  /** `R`, `S`, `D`, `Z` for a zombie, … */
  readonly state: string;
}

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
  const stat = readStat(pid);
  return stat !== undefined && stat.startTicks === startTicks && stat.state !== "Z" && stat.state !== "X";
}

/** The kernel's random name for the time since it was booted (random(4)). */
export function bootId(): string {
  knownBootId ??= readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  return knownBootId;
}

/**
 * Takes a line of proc_pid_stat(5) apart.
 * The program's name, in parentheses, may hold spaces and parentheses itself, so what follows it is
 * counted from the last one.
 * @returns undefined where the line is none
 */
export function parseStat(line: string): ProcessStat | undefined {
  const pid = Number.parseInt(line, 10);
  const [state, ...fields] = line.slice(line.lastIndexOf(")") + 2).split(" ");
  // `fields` begins with field 4.
  const startTicks = Number(fields[22 - 4]);
  if (!line.includes(")") || state === undefined || !(pid > 0) || !(startTicks >= 0)) return undefined;
  return { pid, state, startTicks };
}

let knownBootId: string | undefined;

function readStat(pid: number): ProcessStat | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch (thrown) {
    // ESRCH: it was reaped between open and read.
    if (errnoOf(thrown) === "ENOENT" || errnoOf(thrown) === "ESRCH") return undefined;
    throw DriverError.from(thrown, "KERNEL_CALL_FAILED", `process ${pid} cannot be looked at`);
  }
}
