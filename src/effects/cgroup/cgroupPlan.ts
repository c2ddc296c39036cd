/**
 * Plans the limits to write to a task's cgroup, from the task's resources. Pure. The files are described in
 * the kernel's Documentation/admin-guide/cgroup-v2.rst.
 *
 * `memory.oom.group` is left at 0 on purpose: the kernel then kills a single process, usually the largest
 * one, and the task's init survives to record the task's end.
 */

import { formatMebibytes } from "../../units/sizes.ts";
import type { HugePages } from "./hugePages.ts";
import type { TaskResources } from "./nodeTopology.ts";

export interface CgroupWrite {
  /** Name of a file of the cgroup. It begins with the controller's name and a dot. */
  readonly file: string;
  readonly value: string;
  /** The reason, for people who read a printed plan. */
  readonly why: string;
  /** Whether the task must not start without it. */
  readonly isRequired?: true;
  /** Why the limit cannot be in force; it is not written then. */
  readonly problem?: string;
}

/** The options that affect a task's cgroup on every host. */
export interface CgroupOptions {
  readonly hugepages?: HugePages | undefined;
  readonly pidsLimit?: number | undefined;
  /** MiB; -1 means no limit. */
  readonly swapLimit?: number | undefined;
  readonly cpuHardLimit: boolean;
}

/**
 * @param node MHz of one of the node's cores
 * @param plugin the operator's limits
 */
export function planCgroupWrites(
  resources: TaskResources,
  node: { readonly mhzPerCore: number },
  { pidsLimit, swapLimit = 0, cpuHardLimit, hugepages = {} }: CgroupOptions,
  plugin: Pick<CgroupOptions, "hugepages"> = {},
): readonly CgroupWrite[] {
  return [
    ...memoryWrites(resources, swapLimit),
    ...cpuWrites(resources, node.mhzPerCore, cpuHardLimit),
    ...pidsWrites(pidsLimit),
    ...hugePageWrites(hugepages, plugin.hugepages ?? {}),
  ];
}

function memoryWrites({ memoryMb, memoryMaxMb }: TaskResources, swapLimit: number): CgroupWrite[] {
  if (memoryMb <= 0 && memoryMaxMb === 0) return [];
  const swap = swapWrite(swapLimit);
  if (memoryMaxMb === 0) {
    return [{ file: "memory.max", value: bytes(memoryMb), why: `limit of ${memoryMb} MiB` }, swap];
  }
  const unlimited = memoryMaxMb < 0;
  return [
    {
      file: "memory.low",
      value: bytes(memoryMb),
      why: `${memoryMb} MiB that the task keeps under pressure`,
    },
    {
      file: "memory.max",
      value: unlimited ? "max" : bytes(memoryMaxMb),
      why: unlimited ? "no limit, by memory_max = -1" : `limit of ${memoryMaxMb} MiB, by memory_max`,
    },
    swap,
  ];
}

function swapWrite(limit: number): CgroupWrite {
  const file = "memory.swap.max";
  if (limit === 0) return { file, value: "0", why: "no swap: memory.max does not limit swapped-out memory" };
  if (limit < 0) return { file, value: "max", why: "no limit of swap, by swap_limit" };
  return { file, value: bytes(limit), why: `${formatMebibytes(limit)} of swap, by swap_limit` };
}

function cpuWrites(resources: TaskResources, mhzPerCore: number, hardLimit: boolean): CgroupWrite[] {
  const { cpuMhz, cpusetCpus } = resources;
  const writes: CgroupWrite[] = [];
  const share = cpuShare(resources, { mhzPerCore }, hardLimit);
  if (cpusetCpus !== "") {
    writes.push({ file: "cpuset.cpus", value: cpusetCpus, why: "the cores that are reserved for the task" });
  } else if (share !== undefined) {
    const why = `${cpuMhz} MHz of cores with ${Math.round(mhzPerCore)} MHz`;
    writes.push({ file: "cpu.max", value: `${cpuQuota(share)} ${cpuPeriod}`, why });
  } else if (cpuMhz > 0) {
    writes.push({ file: "cpu.max", value: `max ${cpuPeriod}`, why: "no limit, by cpu_hard_limit = false" });
  }
  if (cpuMhz > 0) {
    const why = "share among the node's tasks in proportion to their MHz";
    writes.push({ file: "cpu.weight", value: String(cpuWeight(cpuMhz, mhzPerCore)), why });
  }
  return writes;
}

function pidsWrites(limit: number | undefined): CgroupWrite[] {
  if (limit === undefined) return [];
  return [
    {
      file: "pids.max",
      value: String(limit),
      why: `${limit} processes and threads at once, init among them`,
    },
  ];
}

/**
 * Limits of huge pages, in the files of the controller `hugetlb`. Those of a job are required; those of the operator are
 * told where they cannot be in force. Pages count when a program touches them, and already when it reserves them: both
 * are limited, because a program that touches a page beyond the first limit gets SIGBUS, and one that reserves too much
 * gets an error.
 */
function hugePageWrites(task: HugePages, plugin: HugePages): CgroupWrite[] {
  return Object.entries({ ...plugin, ...task }).flatMap(([size, mb]) => {
    const isRequired = Object.hasOwn(task, size);
    const limit = {
      value: String(mb * 2 ** 20),
      why: `${formatMebibytes(mb)} in huge pages of ${size}`,
      ...(isRequired && { isRequired: true as const }),
    };
    return ["rsvd.max", "max"].map((name) => ({ file: `hugetlb.${size}.${name}`, ...limit }));
  });
}

/** In microseconds: the kernel's default, on which Nomad's own figures are based. */
const cpuPeriod = 100_000;

/** In microseconds: the kernel refuses a smaller quota (`min_cfs_quota_period`, 1 ms). */
const minQuota = 1_000;

function cpuQuota(cores: number): number {
  return Math.max(minQuota, Math.round(cores * cpuPeriod));
}

/**
 * Linear in the MHz, because the kernel compares weights as ratios: twice the MHz, twice the share. A whole
 * core weighs 100, the kernel's default. So a task with one core counts the same as a sibling cgroup without
 * an explicit weight.
 */
function cpuWeight(cpuMhz: number, mhzPerCore: number): number {
  return Math.min(10_000, Math.max(1, Math.round((cpuMhz * 100) / mhzPerCore)));
}

function bytes(mebibytes: number): string {
  return String(Math.max(0, mebibytes) * 1024 * 1024);
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
