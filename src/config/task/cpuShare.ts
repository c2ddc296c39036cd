/** Computes a task's share of the node's processors. Pure. */
import type { TaskResources } from "./taskRequest.ts";

/**
 * The task's share in cores: 0.5 is half a core. A task with `cores` gets all of them.
 * @param node MHz of one of the node's cores
 * @param hardLimit the option `cpu_hard_limit`
 * @returns undefined if the task has no limit
 */
export function cpuShare(
  { cpuMhz, cpusetCpus }: Pick<TaskResources, "cpuMhz" | "cpusetCpus">,
  node: { readonly mhzPerCore: number },
  hardLimit: boolean,
): number | undefined {
  if (cpusetCpus !== "") return countCpus(cpusetCpus);
  return hardLimit && cpuMhz > 0 ? cpuMhz / node.mhzPerCore : undefined;
}

/** Counts the CPUs of a list in the format of cpuset(7): `0-3,8`. */
function countCpus(list: string): number {
  return list.split(",").reduce((count, range) => {
    const [first = Number.NaN, last = first] = range.split("-").map(Number);
    return count + last - first + 1;
  }, 0);
}
