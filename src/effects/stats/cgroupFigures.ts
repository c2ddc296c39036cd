/**
 * What a cgroup counts, from the text of its files: Documentation/admin-guide/cgroup-v2.rst
 * of the kernel. Pure.
 */

/** CPU time that the cgroup has used since it was made, in microseconds. */
export interface CpuCounters {
  readonly userUs: number;
  readonly systemUs: number;
  /** How often, and how long in all, it was kept from running by its limit; undefined without the cpu controller. */
  readonly throttled: { readonly periods: number; readonly us: number } | undefined;
}

/** Bytes; what the host does not tell is undefined. */
export interface MemoryFigures {
  /** Memory that is no file's: what programs have allocated. */
  readonly rss?: number | undefined;
  /** Page cache of files, those in memory (tmpfs) among them. */
  readonly cache?: number | undefined;
  readonly swap?: number | undefined;
  /** All that counts against the limit. */
  readonly usage?: number | undefined;
  /** The most that `usage` ever was, since the cgroup was made. */
  readonly maxUsage?: number | undefined;
  /** What the kernel itself needs on the task's behalf. */
  readonly kernelUsage?: number | undefined;
}

/** @returns undefined where the text is not that of a `cpu.stat` */
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

/** Text of the memory controller's files, undefined for those that the kernel or the host does not have. */
export interface MemoryFiles {
  /** `memory.stat` */
  readonly stat: string | undefined;
  /** `memory.current` */
  readonly current: string | undefined;
  /** `memory.peak`, since Linux 5.19. */
  readonly peak: string | undefined;
  /** `memory.swap.current`, where swap is accounted for. */
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

/** A file that holds one number; undefined for `max`, which is none. */
export function parseBytes(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+\s*$/.test(text) ? Number(text) : undefined;
}

/** Lines of a name and a number; others are left out. */
export function parseFlatKeyed(text: string): ReadonlyMap<string, number> {
  return new Map(
    text.split("\n").flatMap((line): [string, number][] => {
      const [, name, number] = /^(\S+) (\d+)$/.exec(line) ?? [];
      return name === undefined ? [] : [[name, Number(number)]];
    }),
  );
}

/** What `kernel` is the sum of, which Linux tells since 5.18. */
const kernelParts = ["kernel_stack", "pagetables", "percpu", "slab"];

function sumOf(counters: ReadonlyMap<string, number>, names: readonly string[]): number | undefined {
  const known = names.flatMap((name) => counters.get(name) ?? []);
  return known.length === 0 ? undefined : known.reduce((sum, each) => sum + each);
}
