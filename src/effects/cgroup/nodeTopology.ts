/** The node's processors as the agent counts them, and a task's share of them. Pure. */

/** The resources that the scheduler gives a task. */
export interface TaskResources {
  /** MHz; 0 if the job sets none. */
  readonly cpuMhz: number;
  /** MiB; 0 if the job sets none. */
  readonly memoryMb: number;
  /** MiB; 0 if the job sets no `memory_max`; -1 means no limit. */
  readonly memoryMaxMb: number;
  /** Linux list format (`0-1,4`); empty unless the job sets `cores`. */
  readonly cpusetCpus: string;
  /** Absolute path of the cgroup v2 that the client created for the task. */
  readonly cgroup: string;
}

export interface NodeTopology {
  /** Every core of the node, including those that Nomad may not use. */
  readonly cores: readonly NodeCore[];
  /** MHz of the whole node, from the agent's option `cpu_total_compute`; 0 if the option is not set. */
  readonly overrideTotalMhz: number;
}

/** A logical core. An unknown speed is 0. */
export interface NodeCore {
  readonly coreId: number;
  readonly baseMhz: number;
  readonly maxMhz: number;
  readonly guessMhz: number;
  /** Nomad may not use this core. */
  readonly disabled: boolean;
}

/**
 * MHz of one core: the node's total, divided evenly. A job's MHz are a share of the scheduler's total, and
 * that total includes disabled cores.
 * @returns undefined if no speed is known
 */
export function nodeMhz({ cores, overrideTotalMhz }: NodeTopology): number | undefined {
  const total = overrideTotalMhz > 0 ? overrideTotalMhz : cores.reduce((sum, core) => sum + coreMhz(core), 0);
  return cores.length > 0 && total > 0 ? total / cores.length : undefined;
}

/** The speed that Nomad's scheduler uses: the first known one of base, maximum and guess. */
function coreMhz({ baseMhz, maxMhz, guessMhz }: NodeCore): number {
  return baseMhz || maxMhz || guessMhz;
}

/**
 * The task's share in cores: 0.5 is half a core. A task whose job reserves `cores` gets these cores whole.
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
