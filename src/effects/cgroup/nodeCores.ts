/** The node's cores and the memory beside them, as the host shows them. */

import { DriverError } from "../../base/errors.ts";
import { readKernelFile } from "../kernel/kernelFiles.ts";
import type { CgroupWrite } from "./cgroupPlan.ts";
import type { NodeTopology } from "./nodeTopology.ts";
import { needsCores } from "./options.ts";

const cpuFolder = "/sys/devices/system/cpu";
const nodeFolder = "/sys/devices/system/node";

/**
 * The topology for use without an agent: the online cores, with speeds from their frequency driver. Most virtual
 * machines have no such driver. Then the speed is the current speed in `/proc/cpuinfo`.
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

/**
 * The option `numa_memory`: memory from the NUMA nodes of a task's reserved cores alone. An agent pins cores, and
 * names no memory nodes. Without the option the kernel takes memory from the node of the core that asks for it, and from
 * other nodes once that one is full.
 * @param cpus the task's cores, in the format of cpuset(7)
 * @returns nothing on a kernel without NUMA, which has all memory in one node
 * @throws DriverError `CONFIG_INVALID` for a task without reserved cores
 * @throws DriverError `CGROUP_UNSUPPORTED` if no node of the cores has memory
 */
export function planNumaMemory(cpus: string): CgroupWrite[] {
  if (cpus === "") throw needsCores();
  const all = readKernelFile(`${nodeFolder}/has_memory`);
  if (all === undefined) return [];
  const own = new Set(parseCpuList(cpus));
  const nodes = parseCpuList(all).filter((node) =>
    parseCpuList(readKernelFile(`${nodeFolder}/node${node}/cpulist`) ?? "").some((cpu) => own.has(cpu)),
  );
  if (nodes.length === 0) {
    throw new DriverError("CGROUP_UNSUPPORTED", "no NUMA node of the task's cores has memory", {
      failed: { call: "read", path: `${nodeFolder}/has_memory` },
      hint: "Leave out numa_memory, or reserve cores of another node: see numactl --hardware",
    });
  }
  const why = `memory of the NUMA ${nodes.length === 1 ? "node" : "nodes"} of its cores, by numa_memory`;
  return [{ file: "cpuset.mems", value: nodes.join(","), why, isRequired: true }];
}
