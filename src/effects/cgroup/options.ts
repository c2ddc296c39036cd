/** The options of a task's cgroup. Pure. */
import { z } from "zod";
import { DriverError } from "../../base/errors.ts";
import { formatMebibytes } from "../../units/sizes.ts";
import type { namespacesOptions } from "../namespaces/options.ts";
import {
  addProblem,
  flag,
  limitWithin,
  mebibytes,
  mustBe,
  oneOf,
  type PartOptions,
  type PluginValues,
  refuseUnlessAllowed,
  sizeWithUnit,
  type TaskValues,
  textBlocks,
  wholeNumber,
} from "../options/fields.ts";
import { checkHugePages, hugePagesProblem } from "./hugePages.ts";
import { checkIo, ioProblem } from "./ioLimits.ts";
import { pressureProblem } from "./pressure.ts";

export const cgroupOptions = {
  task: () => ({
    pidsLimit: pidsLimit().optional().meta({
      description: "maximum number of processes and threads, including the task's init †",
      example: 64,
    }),
    swapLimit: swapLimit().optional().meta({
      description: "maximum swap in addition to the task's memory; -1 means no limit †",
      example: 128,
    }),
    cpuHardLimit: flag().default(true).meta({
      description: "`false`: the task may use idle CPU time beyond its `cpu`. No effect with `cores`",
      example: false,
    }),
    io: ioBlocks()
      .default([])
      .meta({
        description:
          "limits of [disk I/O](#disk-io) on each disk. The plugin's `io_max` has the defaults and the maxima",
        example: [{ read: "50MB", write: "20MB", read_ops: "500", write_ops: "200", weight: "50" }],
      }),
    pressure: textBlocks("triggers", pressureProblem)
      .default([])
      .meta({
        description:
          "how long the task may wait for a resource before an event tells of it ([pressure](#pressure))",
        example: [{ memory: "full 150ms 1s" }],
      }),
    hugepages: hugePages()
      .optional()
      .meta({
        description: "maximum in huge pages, by the pages' size ([huge pages](#huge-pages)) †",
        example: { "2MB": 64 },
      }),
    numaMemory: oneOf(["local"]).optional().meta({
      description:
        "`local`: all of the task's memory comes from the NUMA nodes of its reserved `cores` ([NUMA](#numa))",
      example: "local",
    }),
    cgroupView: oneOf(["none", "own"]).default("none").meta({
      description: "`own`: the task reads [its own limits](#limits-that-a-task-sees) at `/sys/fs/cgroup`",
      example: "own",
    }),
    cgroupDelegate: flag().default(false).meta({
      description:
        "whether the task gets [cgroups of its own](#cgroups-of-a-tasks-own), at `/sys/fs/cgroup`; needs the plugin's `allow_cgroup_delegate`",
      example: true,
    }),
  }),
  plugin: () => ({
    // Small hosts have a kernel.pid_max of 32768. Seven tasks at this limit still leave pids for the host.
    pidsLimit: pidsLimit().default(4_096).meta({
      description:
        "maximum number of processes and threads of a task, including its init: 2 to 4194304, which means no limit †",
      example: 500,
    }),
    swapLimit: swapLimit().default(0).meta({
      description: "maximum swap in addition to a task's memory; -1 means no limit †",
      example: 256,
    }),
    ioMax: ioBlocks()
      .default([])
      .meta({
        description: "limits of [disk I/O](#disk-io) for each task, on each disk †",
        example: [{ read: "200MB", write: "100MB" }],
      }),
    hugepages: hugePages()
      .optional()
      .meta({
        description: "maximum in huge pages for each task, by the pages' size ([huge pages](#huge-pages)) †",
        example: { "2MB": 256 },
      }),
    allowCgroupDelegate: flag().default(false).meta({
      description:
        "whether jobs may use `cgroup_delegate` ([cgroups of a task's own](#cgroups-of-a-tasks-own))",
      example: true,
    }),
  }),
} satisfies PartOptions;

interface Values {
  readonly task: TaskValues<typeof cgroupOptions>;
  readonly plugin: PluginValues<typeof cgroupOptions>;
}

/**
 * The task's limits, with the plugin's where the task sets none.
 * @throws DriverError `CONFIG_INVALID`
 */
export function settleCgroup(
  task: Values["task"] & Pick<TaskValues<typeof namespacesOptions>, "pidMode">,
  plugin: Values["plugin"],
): Pick<Values["task"], "pidsLimit" | "swapLimit"> {
  checkIo(task.io, plugin.ioMax);
  checkHugePages(task.hugepages ?? {}, plugin.hugepages ?? {});
  refuseUnlessAllowed("cgroupDelegate", task.cgroupDelegate, "allowCgroupDelegate", plugin);
  if (task.cgroupDelegate && task.pidMode === "host") throw inHostPids();
  const pidsLimit = limitWithin("pidsLimit", task.pidsLimit, plugin.pidsLimit);
  const swapLimit = limitWithin(
    "swapLimit",
    task.swapLimit && numeric(task.swapLimit),
    numeric(plugin.swapLimit),
    formatMebibytes,
  );
  // A limit of 0 is left out, because a task without the option has no swap.
  return { pidsLimit, ...(swapLimit === 0 ? {} : { swapLimit: swapLimit === Infinity ? -1 : swapLimit }) };
}

/** Such a run is killed through a cgroup of its own, which the task must not divide. */
function inHostPids(): DriverError {
  const summary = 'The task\'s config contradicts itself: it has cgroup_delegate, and pid_mode = "host"';
  return new DriverError("CONFIG_INVALID", summary, {
    option: "cgroup_delegate",
    hint: "Decide for one of the two",
  });
}

/** A limit that can be compared with others: -1, which means no limit, becomes `Infinity`. */
function numeric(limit: number): number {
  return limit === -1 ? Infinity : limit;
}

/**
 * Number of processes and threads of a task. The minimum is two, because every run has its init and the
 * task's main process. The maximum is the kernel's own (`PID_MAX_LIMIT` of linux/threads.h), because a higher
 * limit would have no effect.
 */
const pidsLimit = () =>
  wholeNumber().refine(
    (limit) => limit >= 2 && limit <= maxPids,
    `must be from 2 to ${maxPids}, because every task has an init and a main process`,
  );

const maxPids = 4_194_304;

/** MiB by size. */
const hugePages = () =>
  z.record(z.string(), mebibytes(), mustBe("a map of sizes and MiB")).superRefine((limits, context) => {
    for (const [size, mb] of Object.entries(limits)) addProblem(context, hugePagesProblem(size, mb));
  });

/** Blocks of limits, which are merged. */
const ioBlocks = () => textBlocks("limits", ioProblem);

/** MiB of swap; -1 means no limit. */
const swapLimit = () =>
  mebibytes().refine(
    (limit) => limit >= -1,
    `must be a number of MiB, or -1 for no limit, or ${sizeWithUnit}`,
  );

/** The error of `numa_memory` in a task without reserved cores. */
export function needsCores(): DriverError {
  return new DriverError("CONFIG_INVALID", "numa_memory needs cores that are reserved for the task", {
    option: "numa_memory",
    hint: "Set cores in the task's resources, best with a numa block; or leave out numa_memory",
  });
}

/**
 * Whether the task sees its own cgroup in a root of its own. In the host's pid namespace a run's processes are in a
 * cgroup below the one that has the limits; and a task with cgroups of its own sees these.
 */
export function seesOwnCgroup({
  cgroupView,
  cgroupDelegate,
  pidMode,
}: Pick<Values["task"], "cgroupView" | "cgroupDelegate"> &
  Pick<TaskValues<typeof namespacesOptions>, "pidMode">): boolean {
  return cgroupView === "own" && !cgroupDelegate && pidMode === "private";
}
