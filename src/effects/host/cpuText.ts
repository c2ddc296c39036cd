/** Parses the kernel's text about processors. Pure. */

/** The numbers of a list such as `0-2,5`: "List format" of cpuset(7). Skips everything else. */
export function parseCpuList(text: string): number[] {
  return text.split(",").flatMap((part) => {
    const [, first, last] = /^(\d+)(?:-(\d+))?$/.exec(part.trim()) ?? [];
    if (first === undefined) return [];
    const from = Number(first);
    return Array.from({ length: Math.max(0, Number(last ?? first) - from + 1) }, (_, index) => from + index);
  });
}

/** `cpu MHz` of each processor in `/proc/cpuinfo`, rounded. Not all architectures show it. */
export function cpuinfoMhz(cpuinfo: string): ReadonlyMap<number, number> {
  const speeds = new Map<number, number>();
  for (const block of cpuinfo.split("\n\n")) {
    const core = /^processor\s*: (\d+)$/m.exec(block)?.[1];
    const mhz = /^cpu MHz\s*: (\d+(?:\.\d+)?)$/m.exec(block)?.[1];
    if (core !== undefined && mhz !== undefined) speeds.set(Number(core), Math.round(Number(mhz)));
  }
  return speeds;
}
