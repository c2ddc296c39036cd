/**
 * Parses the kernel's one-line process status, proc_pid_stat(5), and finds processes by their parents. Pure.
 */

/** A process of the current boot. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Start time in clock ticks since boot: field 22 of proc_pid_stat(5). */
  readonly startTicks: number;
}

/** What {@link parseStat} finds in a line of `/proc/<pid>/stat`. */
export interface ProcessStat extends ProcessIdentity {
  /** `R`, `S`, `D`, `Z` for a zombie, … */
  readonly state: string;
  /** Whether its first thread is ending, or has to: the kernel may still need some time to give back its memory. */
  readonly isEnding: boolean;
  readonly parent: number;
  /** Its process group. */
  readonly group: number;
  /** Pid of its session's leader, in the reader's pid namespace. */
  readonly session: number;
  /** CPU time of all its threads, in clock ticks. */
  readonly userTicks: number;
  readonly systemTicks: number;
  /** CPU time of its children that have been waited for, and of their children. */
  readonly childUserTicks: number;
  readonly childSystemTicks: number;
}

/** Clock ticks per second in the kernel's files: `USER_HZ`, 100 on both architectures (time(7)). */
export const ticksPerSecond = 100;

/** Flags of a task in the kernel's `linux/sched.h`: it is ending, and it has begun to because of a signal. */
const PF_EXITING = 0x4;
const PF_SIGNALED = 0x400;

/** Signal 9, in a bitmap whose lowest bit is signal 1. The kernel marks each thread of a process that it kills. */
const SIGKILL_BIT = 0x100;

/**
 * Parses a line of proc_pid_stat(5).
 * The program's name, in parentheses, may itself contain spaces and parentheses, so the other fields are
 * counted from the last parenthesis.
 * @returns undefined if the line has another format
 */
export function parseStat(line: string): ProcessStat | undefined {
  const pid = Number.parseInt(line, 10);
  const [state, ...fields] = line.slice(line.lastIndexOf(")") + 2).split(" ");
  // `fields` begins with field 4.
  const field = (number: number) => Number(fields[number - 4]);
  const numbers = {
    pid,
    parent: field(4),
    group: field(5),
    session: field(6),
    startTicks: field(22),
    userTicks: field(14),
    systemTicks: field(15),
    childUserTicks: field(16),
    childSystemTicks: field(17),
  };
  const isEnding = (field(9) & (PF_EXITING | PF_SIGNALED)) !== 0 || (field(31) & SIGKILL_BIT) !== 0;
  const isStat = line.includes(")") && state !== undefined && Object.values(numbers).every(Number.isFinite);
  return isStat && pid > 0 && numbers.startTicks >= 0 ? { ...numbers, state, isEnding } : undefined;
}

/**
 * Resident pages, from a line of `/proc/<pid>/statm`: proc_pid_statm(5). The figure in `stat` is off by up to
 * a few hundred kilobytes, and by more on hosts with many processors. Since Linux 6.17 `statm` is exact.
 * @returns 0 for an empty line, which the caller passes for a process that has exited
 */
export function parseResidentPages(line: string): number {
  return Number(line.split(" ")[1] ?? 0);
}

/**
 * The processes among `others` that descend from `ancestors`, parents before their children. Visits each
 * process once, so the time is linear even for a long chain of processes.
 */
export function descendantsOf(
  ancestors: Iterable<number>,
  others: readonly ProcessStat[],
): readonly ProcessStat[] {
  const byParent = Map.groupBy(others, ({ parent }) => parent);
  const found: ProcessStat[] = [];
  const add = (parent: number) => {
    const children = byParent.get(parent) ?? [];
    // Removed, because reused pids could form a cycle.
    byParent.delete(parent);
    for (const child of children) found.push(child);
  };
  for (const pid of ancestors) add(pid);
  // `found` grows during this loop.
  for (const { pid } of found) add(pid);
  return found;
}
