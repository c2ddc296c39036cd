/** Hides this process's memory from other processes, and returns unused memory to the kernel. */
import { readFileSync, readlinkSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { PR_SET_DUMPABLE } from "../kernel/constants.ts";
import { madviseDontNeed, mallocTrim, prctl } from "../kernel/libc.ts";

/** Returns the size of V8's heap in bytes, unused parts of its pages included. */
export function heapBytes(): number {
  return getHeapStatistics().total_heap_size;
}

/**
 * Makes V8 collect all garbage at once and move the remaining objects together. An ordinary collection leaves
 * tens of mebibytes in half-empty pages. Bytecode is kept, because the next start needs it. The flags are set
 * only here. As arguments of the process, they would make Node discard its code cache.
 */
export function collectGarbage(): void {
  setFlagsFromString("--no-flush-bytecode");
  collector()({ type: "major", flavor: "last-resort" });
  setFlagsFromString("--flush-bytecode");
}

/**
 * Makes V8 collect the garbage of its young generation, which takes some 0.4 ms, once the answers of this turn of the
 * event loop have left. V8 itself does it when the young generation is full, or when it is nearly full and the event
 * loop waits.
 * @param isWanted asked right before
 */
export function collectYoungGarbage(isWanted: () => boolean): void {
  // Answers leave after the first of these turns.
  setImmediate(() =>
    setImmediate(() => {
      if (isWanted()) collector()({ type: "minor" });
    }),
  );
}

type Collector = (
  options: { readonly type: "minor" } | { readonly type: "major"; readonly flavor: "last-resort" },
) => void;

let exposed: Collector | undefined;

/** V8's function `gc`. */
function collector(): Collector {
  if (exposed !== undefined) return exposed;
  setFlagsFromString("--expose-gc");
  // Only a context that is created with the flag set has the function.
  const gc: Collector = runInNewContext("gc");
  setFlagsFromString("--no-expose-gc");
  exposed = gc;
  return gc;
}

/**
 * Keeps V8's young generation at its present size. With much garbage V8 would let it grow to 48 MiB, which a
 * process that rarely works gains nothing by. To be called once the code is loaded: V8 does not use code caches
 * that were made with other flags.
 */
export function keepYoungGenerationSmall(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
}

/**
 * Returns malloc's unused memory, and unmaps pages of the executable and of the event log. Most of the
 * executable is needed only while the plugin starts, and pages of the log are rarely read again. The pages
 * stay in the page cache: mapping one again takes about a microsecond.
 */
export async function releaseMemory(): Promise<void> {
  mallocTrim();
  const executable = readlinkSync("/proc/self/exe");
  unmap(unchangedMappings(await readFile("/proc/self/smaps", "utf8"), executable));
  // Only this thread opens and closes logs. So no mapping changes between the list and the calls.
  unmap(readOnlyMappings(readFileSync("/proc/self/maps", "utf8")));
}

function unmap(mappings: readonly Mapping[]): void {
  for (const { address, bytes } of mappings) madviseDontNeed(address, bytes);
}

/**
 * PR_SET_DUMPABLE(2const): keeps the secrets of starting tasks out of core dumps, and keeps processes without
 * CAP_SYS_PTRACE from reading this process's memory.
 */
export function hideMemory(): void {
  prctl(PR_SET_DUMPABLE, 0);
}

export interface Mapping {
  readonly address: bigint;
  readonly bytes: bigint;
}

/**
 * The mappings of a file that have pages in memory, of which none was changed: proc_pid_smaps(5). An emulator
 * that does not know the pages shows none.
 * @param file a mapped file. No thread may unmap it before the result is used: an address could then belong
 *   to another mapping
 */
export function unchangedMappings(smaps: string, file: string): Mapping[] {
  return smaps.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m).flatMap((mapping) => {
    const [, start = "", end = "", path] =
      /^([0-9a-f]+)-([0-9a-f]+) r-.p \S+ \S+ \S+ +(.+)$/m.exec(mapping) ?? [];
    const isUnchanged = /^Rss: +[1-9]/m.test(mapping) && /^Anonymous: +0 kB$/m.test(mapping);
    return path === file && isUnchanged ? mappingOf(start, end) : [];
  });
}

/** Shared, read-only mappings of files, such as LMDB's mapping of its data: proc_pid_maps(5). */
export function readOnlyMappings(maps: string): Mapping[] {
  const lines = maps.matchAll(/^([0-9a-f]+)-([0-9a-f]+) r--s \S+ \S+ \S+ +\//gm);
  return Array.from(lines, ([, start = "", end = ""]) => mappingOf(start, end));
}

function mappingOf(start: string, end: string): Mapping {
  const address = BigInt(`0x${start}`);
  return { address, bytes: BigInt(`0x${end}`) - address };
}
