/**
 * Parses a cgroup's counters from the text of its files: Documentation/admin-guide/cgroup-v2.rst
 * of the kernel. Pure.
 */

/** CPU time that the cgroup has used since its creation, in microseconds. */
export interface CpuCounters {
  readonly userUs: number;
  readonly systemUs: number;
  /**
   * Number of periods and total time in which the limit throttled the cgroup; undefined without the cpu
   * controller.
   */
  readonly throttled: { readonly periods: number; readonly us: number } | undefined;
}

/** Figures in bytes; undefined stands for figures that the host does not report. */
export interface MemoryFigures {
  /** Anonymous memory: what programs have allocated. */
  readonly rss?: number | undefined;
  /** Page cache of files, including files in memory (tmpfs). */
  readonly cache?: number | undefined;
  readonly swap?: number | undefined;
  /** Everything that counts against the limit. */
  readonly usage?: number | undefined;
  /** Maximum of `usage` since the cgroup's creation. */
  readonly maxUsage?: number | undefined;
  /** Memory that the kernel itself uses on the task's behalf. */
  readonly kernelUsage?: number | undefined;
}

/** @returns undefined if the text is not that of a `cpu.stat` */
export function parseCpuStat(text: string): CpuCounters | undefined {
  const counters = parseFlatKeyed(text);
  const [userUs, systemUs] = [counters.get("user_usec"), counters.get("system_usec")];
  if (userUs === undefined || systemUs === undefined) return undefined;
  const [periods, us] = [counters.get("nr_throttled"), counters.get("throttled_usec")];
  return {
    userUs,
    systemUs,
    throttled: periods === undefined || us === undefined ? undefined : { periods, us },
  };
}

/** Text of the memory controller's files; undefined for files that this kernel or host does not have. */
export interface MemoryFiles {
  /** `memory.stat` */
  readonly stat: string | undefined;
  /** `memory.current` */
  readonly current: string | undefined;
  /** `memory.peak`, since Linux 5.19. */
  readonly peak: string | undefined;
  /** `memory.swap.current`, if the kernel accounts for swap. */
  readonly swap: string | undefined;
}

export function parseMemory({ stat, current, peak, swap }: MemoryFiles): MemoryFigures {
  const counters = parseFlatKeyed(stat ?? "");
  return {
    rss: counters.get("anon"),
    cache: counters.get("file"),
    swap: parseBytes(swap),
    usage: parseBytes(current),
    maxUsage: parseBytes(peak),
    kernelUsage: counters.get("kernel") ?? sumOf(counters, kernelParts),
  };
}

/** Total time in which a resource was short since the cgroup's creation, in microseconds. */
export interface Pressure {
  /** Time in which some processes had to wait. */
  readonly someUs: number;
  /** Time in which all processes had to wait; 0 for the CPU before Linux 5.13. */
  readonly fullUs: number;
}

/**
 * Parses a `cpu.pressure`, `memory.pressure` or `io.pressure`: Documentation/accounting/psi.rst.
 * @returns undefined if the kernel does not measure the pressure
 */
export function parsePressure(text: string): Pressure | undefined {
  const some = /^some .*\btotal=(\d+)$/m.exec(text)?.[1];
  const full = /^full .*\btotal=(\d+)$/m.exec(text)?.[1];
  return some === undefined ? undefined : { someUs: Number(some), fullUs: Number(full ?? 0) };
}

/** What a cgroup has read from disks and written to them since its creation. */
export interface IoCounters {
  readonly readBytes: number;
  readonly writtenBytes: number;
  /** Numbers of operations. */
  readonly reads: number;
  readonly writes: number;
}

/**
 * Parses an `io.stat`.
 * @param isCounted whether a device, `major:minor`, counts: the kernel counts what goes through a device that is made of
 *   others in each of them
 */
export function parseIoStat(text: string, isCounted: (device: string) => boolean): IoCounters {
  const sums = { rbytes: 0, wbytes: 0, rios: 0, wios: 0 };
  for (const line of text.split("\n")) {
    const [device = "", ...fields] = line.split(" ");
    if (!isCounted(device)) continue;
    for (const field of fields) {
      const [, key, number] = /^(rbytes|wbytes|rios|wios)=(\d+)$/.exec(field) ?? [];
      if (key !== undefined) sums[key as keyof typeof sums] += Number(number);
    }
  }
  return { readBytes: sums.rbytes, writtenBytes: sums.wbytes, reads: sums.rios, writes: sums.wios };
}

/** Parses the text of a file with one number. @returns undefined for `max`, which is not a number */
export function parseBytes(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+\s*$/.test(text) ? Number(text) : undefined;
}

/** Parses lines of a name and a number. Skips other lines. */
export function parseFlatKeyed(text: string): ReadonlyMap<string, number> {
  return new Map(
    text.split("\n").flatMap((line): [string, number][] => {
      const [, name, number] = /^(\S+) (\d+)$/.exec(line) ?? [];
      return name === undefined ? [] : [[name, Number(number)]];
    }),
  );
}

/** The parts of `kernel`. Linux reports `kernel` itself only since 5.18. */
const kernelParts = ["kernel_stack", "pagetables", "percpu", "slab"];

function sumOf(counters: ReadonlyMap<string, number>, names: readonly string[]): number | undefined {
  const known = names.flatMap((name) => counters.get(name) ?? []);
  return known.length === 0 ? undefined : known.reduce((sum, each) => sum + each);
}
