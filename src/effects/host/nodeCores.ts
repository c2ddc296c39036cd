/** The node's topology as the host itself tells it: for when no agent does. */
import type { NodeTopology } from "../../config/task/nodeTopology.ts";
import { cpuinfoMhz, parseCpuList } from "../cgroup/cpuText.ts";
import { readKernelFile } from "../kernel/file.ts";

const cpuFolder = "/sys/devices/system/cpu";

/**
 * The online cores with the speeds of their frequency driver; virtual machines
 * mostly have none, and then the speed is what `/proc/cpuinfo` says right now.
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

/** In MHz, where the kernel has kHz; 0 where it has nothing. */
function frequency(coreId: number, file: string): number {
  return Math.round(Number(readKernelFile(`${cpuFolder}/cpu${coreId}/cpufreq/${file}`) ?? 0) / 1000);
}
