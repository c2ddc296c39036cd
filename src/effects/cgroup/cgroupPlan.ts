/**
 * Plans the limits to write to a task's cgroup, from the task's resources, and a cgroup of the run below it.
 * Pure. The files are described in the kernel's Documentation/admin-guide/cgroup-v2.rst.
 *
 * `memory.oom.group` is left at 0 on purpose: the kernel then kills a single process, usually the largest
 * one, and the task's init survives to record the task's end.
 */

import * as k from "../kernel/constants.ts";
import type { TaskValues } from "../options/fields.ts";
import { closeScratchStep, openFolderStep } from "../plan/commonSteps.ts";
import { bytes, descriptors, flags, octal, type Step } from "../plan/plan.ts";
import type { TaskResources } from "./nodeTopology.ts";
import type { cgroupOptions } from "./options.ts";

const { O_CLOEXEC, O_PATH, O_WRONLY } = k;

export interface CgroupWrite {
  /** Name of a file of the cgroup. It begins with the controller's name and a dot. */
  readonly file: string;
  readonly value: string;
  /** The reason, for people who read a printed plan. */
  readonly why: string;
}

/** The options that affect a task's cgroup. */
export type CgroupOptions = TaskValues<typeof cgroupOptions>;

/** @param node MHz of one of the node's cores */
export function planCgroupWrites(
  resources: TaskResources,
  node: { readonly mhzPerCore: number },
  { pidsLimit, swapLimit = 0, cpuHardLimit }: CgroupOptions,
): readonly CgroupWrite[] {
  return [
    ...memoryWrites(resources, swapLimit),
    ...cpuWrites(resources, node.mhzPerCore, cpuHardLimit),
    ...pidsWrites(pidsLimit),
  ];
}

function memoryWrites({ memoryMb, memoryMaxMb }: TaskResources, swapLimit: number): CgroupWrite[] {
  if (memoryMb <= 0 && memoryMaxMb === 0) return [];
  const swap = swapWrite(swapLimit);
  if (memoryMaxMb === 0) {
    return [{ file: "memory.max", value: inBytes(memoryMb), why: `limit of ${memoryMb} MiB` }, swap];
  }
  const unlimited = memoryMaxMb < 0;
  return [
    {
      file: "memory.low",
      value: inBytes(memoryMb),
      why: `${memoryMb} MiB that the task keeps under pressure`,
    },
    {
      file: "memory.max",
      value: unlimited ? "max" : inBytes(memoryMaxMb),
      why: unlimited ? "no limit, by memory_max = -1" : `limit of ${memoryMaxMb} MiB, by memory_max`,
    },
    swap,
  ];
}

function swapWrite(limit: number): CgroupWrite {
  const file = "memory.swap.max";
  if (limit === 0) return { file, value: "0", why: "no swap: memory.max does not limit swapped-out memory" };
  if (limit < 0) return { file, value: "max", why: "no limit of swap, by swap_limit" };
  return { file, value: inBytes(limit), why: `${limit} MiB of swap, by swap_limit` };
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

function inBytes(mebibytes: number): string {
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

/**
 * A cgroup that init creates for its run only, so that the whole run can be killed at once, however its
 * processes hide. The task starts in it. Init stays outside.
 *
 * Such a run stays in the plugin's pid namespace. Its init has to do what a pid namespace does for other runs.
 * As a subreaper (PR_SET_CHILD_SUBREAPER(2const)), init adopts orphans. At the end it kills all remaining
 * processes at once, through this cgroup: `cgroup.kill` of cgroups(7), from kernel 5.14 on.
 */
export interface RunCgroup {
  /** Absolute path of the task's cgroup, which the agent has created. */
  readonly parent: string;
  /** Name of the run's cgroup below `parent`. */
  readonly name: string;
}

/**
 * The cgroup is named after the run's folder, whose name is unique.
 * @param parent the task's cgroup
 */
export function runCgroupOf(
  pidMode: "private" | "host",
  parent: string | undefined,
  folder: string,
): RunCgroup | undefined {
  if (pidMode === "private" || parent === undefined) return undefined;
  return { parent, name: `exec2-${folder.slice(folder.lastIndexOf("/") + 1)}` };
}

/** Init's steps before its mounts, which may hide the cgroup's path. */
export function prepareRunCgroupSteps({ parent }: RunCgroup): Step[] {
  const { PR_SET_CHILD_SUBREAPER } = k;
  const name = "open the task's cgroup";
  return [
    { name: "become a subreaper", call: "prctl", args: [flags({ PR_SET_CHILD_SUBREAPER }), 1, 0, 0, 0] },
    openFolderStep(name, parent),
    ...keepSteps(name, descriptors.cgroup),
  ];
}

/**
 * Init's steps before it forks the task. They come after the release. Before the release, no event names the
 * cgroup, so nobody could find it if the plugin died. No controllers are enabled in the cgroup. So the limits
 * of the task's cgroup apply to the whole run, and both cgroups may contain processes.
 */
export function makeRunCgroupSteps({ name: folder }: RunCgroup): Step[] {
  const { cgroup, runCgroup, killSwitch } = descriptors;
  const name = "make the run's cgroup";
  const open = (path: string, how: typeof folderOnly): Step => ({
    name,
    call: "openat",
    args: [cgroup, path, how, 0],
  });
  return [
    { name, call: "mkdirat", args: [cgroup, folder, octal(0o755)] },
    open(folder, folderOnly),
    ...keepSteps(name, runCgroup),
    open(`${folder}/cgroup.kill`, forWriting),
    ...keepSteps(name, killSwitch),
  ];
}

/** Init's step after the task has exited. @param killSwitch init's descriptor of `cgroup.kill` */
export function killRunCgroupStep(killSwitch: number): Step {
  const content = new TextEncoder().encode("1");
  return {
    name: "kill the remaining processes",
    call: "write",
    args: [killSwitch, bytes(content, '"1"'), content.length],
    // Fails if somebody has removed the cgroup. Then no process remains, because only an empty cgroup can be
    // removed.
    flow: { kind: "tolerateErrors" },
  };
}

export function removeRunCgroupStep(cgroup: number, { name: folder }: RunCgroup): Step {
  const { AT_REMOVEDIR } = k;
  return {
    name: "remove the run's cgroup",
    call: "unlinkat",
    args: [cgroup, folder, flags({ AT_REMOVEDIR })],
    // Fails while a command of `alloc exec` is still exiting in the cgroup. The plugin waits for that
    // command, and init does not.
    flow: { kind: "tolerateErrors" },
  };
}

/**
 * PID 1 of a pid namespace gets only signals that it handles. The init of a run without such a namespace
 * blocks signals instead; only SIGKILL and SIGSTOP cannot be blocked.
 */
export function blockSignalsStep(): Step {
  const { SIG_SETMASK } = k;
  const all = new Uint8Array(8).fill(0xff);
  return {
    name: "block signals",
    call: "rt_sigprocmask",
    args: [flags({ SIG_SETMASK }), bytes(all, "every signal"), 0, all.length],
  };
}

const folderOnly = flags({ O_PATH, O_CLOEXEC });
const forWriting = flags({ O_WRONLY, O_CLOEXEC });

/** Moves the descriptor that was just opened to its permanent number. */
function keepSteps(name: string, number: number): Step[] {
  return [
    { name, call: "dup3", args: [descriptors.scratch, number, flags({ O_CLOEXEC })] },
    closeScratchStep(name),
  ];
}
