/**
 * The option `numa_memory`: memory from the NUMA nodes of a task's reserved cores alone. An agent pins cores, and
 * names no memory nodes. Without the option the kernel takes memory from the node of the core that asks for it, and from
 * other nodes once that one is full.
 */
import { DriverError } from "../../base/errors.ts";
import { readKernelFile } from "../kernel/kernelFiles.ts";
import type { CgroupWrite } from "./cgroupPlan.ts";
import { parseCpuList } from "./nodeCores.ts";

const folder = "/sys/devices/system/node";

/**
 * @param cpus the task's cores, in the format of cpuset(7)
 * @returns nothing on a kernel without NUMA, which has all memory in one node
 * @throws DriverError `CONFIG_INVALID` for a task without reserved cores
 * @throws DriverError `CGROUP_UNSUPPORTED` if no node of the cores has memory
 */
export function planNumaMemory(cpus: string): CgroupWrite[] {
  if (cpus === "") {
    throw new DriverError("CONFIG_INVALID", "numa_memory needs cores that are reserved for the task", {
      option: "numa_memory",
      hint: "Set cores in the task's resources, best with a numa block; or leave out numa_memory",
    });
  }
  const all = readKernelFile(`${folder}/has_memory`);
  if (all === undefined) return [];
  const own = new Set(parseCpuList(cpus));
  const nodes = parseCpuList(all).filter((node) =>
    parseCpuList(readKernelFile(`${folder}/node${node}/cpulist`) ?? "").some((cpu) => own.has(cpu)),
  );
  if (nodes.length === 0) {
    throw new DriverError("CGROUP_UNSUPPORTED", "no NUMA node of the task's cores has memory", {
      failed: { call: "read", path: `${folder}/has_memory` },
      hint: "Leave out numa_memory, or reserve cores of another node: see numactl --hardware",
    });
  }
  const why = `memory of the NUMA ${nodes.length === 1 ? "node" : "nodes"} of its cores, by numa_memory`;
  return [{ file: "cpuset.mems", value: nodes.join(","), why, isRequired: true }];
}
