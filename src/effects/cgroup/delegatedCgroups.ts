/**
 * The cgroups of a run whose task gets a subtree of its own (the option `cgroup_delegate`), as cgroups(7) and
 * Documentation/admin-guide/cgroup-v2.rst ("Delegation") describe it.
 *
 * The agent's cgroup keeps the limits, and has no processes: the kernel lets a cgroup either have processes or
 * give controllers to its children. Below it are the task's cgroup, which belongs to the task's user, and a
 * cgroup of the run's init, which the task must neither freeze nor kill. Commands have theirs beside them. So
 * no process of the task can write to the agent's cgroup, or move anything out of its own. Pure.
 */
import * as k from "../kernel/constants.ts";
import { closeScratchStep, openFolderStep } from "../plan/commonSteps.ts";
import { descriptors, flags, type Step } from "../plan/plan.ts";
import { CGROUP } from "../unveil/defaultPaths.ts";

/** Absolute paths of a run's cgroups. */
export interface DelegatedCgroups {
  /** The task's cgroup as the agent has made it. */
  readonly parent: string;
  /** The cgroup in which init, and a relay of the task's output, run. */
  readonly init: string;
  /** The root of the task's own subtree, in which it starts. */
  readonly task: string;
}

/** Begin the names of these cgroups. */
export const delegatedPrefixes = { init: "exec2-init-", task: "exec2-task-" } as const;

/** @param runFolder the folder of the run's files: the end of its name is the run's own */
export function delegatedCgroupsOf(parent: string, runFolder: string): DelegatedCgroups {
  const run = runFolder.slice(-8);
  return {
    parent,
    init: `${parent}/${delegatedPrefixes.init}${run}`,
    task: `${parent}/${delegatedPrefixes.task}${run}`,
  };
}

/**
 * Cgroups that a task may have at once, and how deep: each takes memory of the kernel, and the driver has to remove
 * them all before the agent learns of the task's end. Names are up to 255 bytes, so the depth also keeps their paths
 * within the 4,096 bytes of a path.
 */
export const delegatedBounds = { cgroups: 512, depth: 14 } as const;

/** Init's steps before its mounts, which may hide the path: it opens the cgroup in which the task is to start. */
export function openDelegatedSteps({ task }: DelegatedCgroups): Step[] {
  const name = "open the task's cgroup";
  const { O_CLOEXEC } = k;
  return [
    openFolderStep(name, task),
    { name, call: "dup3", args: [descriptors.scratch, descriptors.runCgroup, flags({ O_CLOEXEC })] },
    closeScratchStep(name),
  ];
}

/**
 * Steps of the task's process, as root. Its cgroup becomes the root of a cgroup namespace (cgroup_namespaces(7)), and
 * the run's mount namespace shows that root, and nothing above it. As a mount of its own it does not depend on where the
 * host has cgroups.
 */
export function enterDelegatedSteps(): Step[] {
  const { CLONE_NEWCGROUP, MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC } = k;
  const how = flags({ MS_NOSUID, MS_NODEV, MS_NOEXEC });
  return [
    {
      name: "make a cgroup namespace",
      call: "unshare",
      args: [flags({ CLONE_NEWCGROUP })],
      hints: { ENOSPC: "The host allows no more cgroup namespaces: raise user.max_cgroup_namespaces" },
    },
    // The kernel does not mount a file system over itself (EBUSY). On most hosts cgroups are at this path, and so they
    // are in the host's root. An empty folder comes between.
    {
      name: `cover ${CGROUP}`,
      call: "mount",
      args: ["tmpfs", CGROUP, "tmpfs", flags({ MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC }), "size=4k"],
    },
    {
      name: `mount ${CGROUP}`,
      call: "mount",
      args: ["cgroup2", CGROUP, "cgroup2", how, 0],
    },
  ];
}
