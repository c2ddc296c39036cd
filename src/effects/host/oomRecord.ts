/** Records of the kernel's log about processes that it killed for lack of memory: mm/oom_kill.c. Pure. */

export interface OomKill {
  /** The killed process, by its pid on the host. */
  readonly pid: number;
  /** What was full: the host's memory, or that of a cgroup of any version. */
  readonly of: "host" | "cgroup";
  /** Seconds since the boot, without those of a suspend. */
  readonly at: number;
}

/** Records of the kernel itself; those of programs have greater numbers, which no program chooses. */
const OWN_RECORDS = 8;

/**
 * @param record as /dev/kmsg has it: `<priority>,<number>,<microseconds>,<flags>;<text>`
 * @returns undefined for every other record
 */
export function readOomRecord(record: string): OomKill | undefined {
  const [, priority, micros, text = ""] = /^(\d+),\d+,(\d+),[^;]*;([^\n]*)/.exec(record) ?? [];
  const [, what, pid] =
    /^(Memory cgroup out of memory|Out of memory(?: \([^)]*\))?): Killed process (\d+) \(/.exec(text) ?? [];
  if (what === undefined || Number(priority) >= OWN_RECORDS) return undefined;
  return { pid: Number(pid), of: what.startsWith("Memory") ? "cgroup" : "host", at: Number(micros) / 1e6 };
}
