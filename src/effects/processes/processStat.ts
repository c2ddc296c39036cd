/** What the kernel says of a process on one line: proc_pid_stat(5). Pure. */

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
  readonly parent: number;
  /** Its process group. */
  readonly group: number;
  /** Pid of the leader of its session, in the pid namespace of whoever reads. */
  readonly session: number;
  /** CPU time of all its threads, in clock ticks. */
  readonly userTicks: number;
  readonly systemTicks: number;
  /** The same of children that have ended and were waited for, and of theirs. */
  readonly childUserTicks: number;
  readonly childSystemTicks: number;
}

/** Clock ticks a second in what the kernel tells: `USER_HZ`, 100 on both architectures (time(7)). */
export const ticksPerSecond = 100;

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
  const field = (number: number) => Number(fields[number - 4]);
  const startTicks = field(22);
  if (!line.includes(")") || state === undefined || !(pid > 0) || !(startTicks >= 0)) return undefined;
  return {
    pid,
    state,
    parent: field(4),
    group: field(5),
    session: field(6),
    startTicks,
    userTicks: field(14),
    systemTicks: field(15),
    childUserTicks: field(16),
    childSystemTicks: field(17),
  };
}

/**
 * Resident pages by a line of `/proc/<pid>/statm`: proc_pid_statm(5). The figure in `stat` is
 * off by up to some hundred kilobytes, more with more processors; since Linux 6.17 this one is not.
 * @returns 0 where the line is none: a process that is about to be gone
 */
export function parseResidentPages(line: string): number {
  return Number(line.split(" ")[1] ?? 0);
}
