/** Reads the node's topology from the host, for use without an agent. */
import type { NodeTopology } from "../../config/task/nodeTopology.ts";
import { readKernelFile } from "../kernel/kernelFiles.ts";
import { cpuinfoMhz, parseCpuList } from "./cpuText.ts";

const cpuFolder = "/sys/devices/system/cpu";

/**
 * The online cores, with speeds from their frequency driver. Most virtual machines
 * have no such driver. The speed is then the current one of `/proc/cpuinfo`.
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

/** In MHz, converted from the kernel's kHz; 0 if the kernel does not have it. */
function frequency(coreId: number, file: string): number {
  return Math.round(Number(readKernelFile(`${cpuFolder}/cpu${coreId}/cpufreq/${file}`) ?? 0) / 1000);
}
