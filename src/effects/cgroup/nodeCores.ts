/** Reads the node's topology from the host, for use without an agent. */

import { readKernelFile } from "../kernel/kernelFiles.ts";
import type { NodeTopology } from "./nodeTopology.ts";

const cpuFolder = "/sys/devices/system/cpu";

/**
 * The online cores, with speeds from their frequency driver. Most virtual machines have no such driver. Then
 * the speed is the current speed in `/proc/cpuinfo`.
 */
export function readNodeTopology(): NodeTopology {
  const guesses = cpuinfoMhz(readKernelFile("/proc/cpuinfo") ?? "");
  const cores = parseCpuList(readKernelFile(`${cpuFolder}/online`) ?? "").map((coreId) => ({
    coreId,
    baseMhz: frequency(coreId, "base_frequency"),
    maxMhz: frequency(coreId, "cpuinfo_max_freq"),
    guessMhz: guesses.get(coreId) ?? 0,
    disabled: false,
  }));
  return { cores, overrideTotalMhz: 0 };
}

/** A frequency in MHz, converted from the kernel's kHz; 0 if the kernel has no such file. */
function frequency(coreId: number, file: string): number {
  return Math.round(Number(readKernelFile(`${cpuFolder}/cpu${coreId}/cpufreq/${file}`) ?? 0) / 1000);
}

/** The numbers of a list such as `0-2,5`: "List format" of cpuset(7). Skips everything else. */
export function parseCpuList(text: string): number[] {
  return text.split(",").flatMap((part) => {
    const [, first, last] = /^(\d+)(?:-(\d+))?$/.exec(part.trim()) ?? [];
    if (first === undefined) return [];
    const from = Number(first);
    return Array.from({ length: Math.max(0, Number(last ?? first) - from + 1) }, (_, index) => from + index);
  });
}

/** `cpu MHz` of each processor in `/proc/cpuinfo`, rounded. Not all architectures have this field. */
export function cpuinfoMhz(cpuinfo: string): ReadonlyMap<number, number> {
  const speeds = new Map<number, number>();
  for (const block of cpuinfo.split("\n\n")) {
    const core = /^processor\s*: (\d+)$/m.exec(block)?.[1];
    const mhz = /^cpu MHz\s*: (\d+(?:\.\d+)?)$/m.exec(block)?.[1];
    if (core !== undefined && mhz !== undefined) speeds.set(Number(core), Math.round(Number(mhz)));
  }
  return speeds;
}
