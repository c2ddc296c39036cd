/** The input of a launch plan: everything that is needed to start a task. */

import type { RunCgroup } from "../cgroup/runCgroupSteps.ts";
import type { KnownRule, NamespaceRule } from "../landlock/rules.ts";
import type { TaskLimit } from "../limits/resourceLimits.ts";
import type { LaunchNetwork } from "../network/network.ts";
import type { TaskOptions } from "../parts.ts";
import type { SystemCallFilter } from "../plan/plan.ts";
import type { LaunchMounts } from "../root/mountSteps.ts";
import type { TaskCapabilities } from "../users/capabilities.ts";

/** The input for the run's init and its namespaces. */
export interface EarlyInput extends LaunchMounts {
  /** The task's options as the job sets them. The other fields depend on this host. */
  readonly options: TaskOptions;
  /** First argument of the run's init, so that `ps` shows `exec2-init: <alloc>/<task>`. */
  readonly initName: string;
  /** Absolute path of the cgroup v2 folder in which the task starts; undefined for this process's cgroup. */
  readonly cgroup: string | undefined;
  readonly network: LaunchNetwork;
  /** The run's own host name, in ASCII; undefined for the host's. */
  readonly hostname: string | undefined;
  /** Set if the run stays in this process's pid namespace; undefined if it has its own pid namespace. */
  readonly runCgroup: RunCgroup | undefined;
  /** The file in which init records the task's raw wait status. Only root may access the file's folder. */
  readonly statusFile: string;
  /** Landlock rules that init adds in its root. */
  readonly knownRules: readonly KnownRule[];
  /** An existing FIFO in the status file's folder. Init holds the FIFO open for writing until it exits. */
  readonly aliveFifo: string;
}

export interface LateInput extends TaskProcess {
  /** Landlock rules that only the run's own processes can add. */
  readonly namespaceRules: readonly NamespaceRule[];
  /** As in {@link EarlyInput}. */
  readonly runCgroup: RunCgroup | undefined;
}

/** A process of the task: its program and its rights. */
export interface TaskProcess {
  /** As in {@link EarlyInput}. A command that joins the task has the task's options, too. */
  readonly options: TaskOptions;
  /** Absolute path. */
  readonly command: string;
  /** First argument: the command as in the job. Programs use it as their name. */
  readonly name: string;
  /** The other arguments. */
  readonly args: readonly string[];
  /** The whole environment; values are secrets. */
  readonly env: Readonly<Record<string, string>>;
  /** The working directory. The process enters it with the task's rights. */
  readonly workDir: string;
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups. The task inherits none from this process. */
  readonly groups: readonly number[];
  /** Limits that differ from this process's, such as the limit on open files: Node raises its own. */
  readonly limits: readonly TaskLimit[];
  /** Undefined if the change of user alone leaves the right capability sets. */
  readonly capabilities: TaskCapabilities | undefined;
  /** Undefined if the task may make every system call. */
  readonly filter: SystemCallFilter | undefined;
  /** Whether the kernel is to record refusals of Landlock (from ABI 7 on) and of the filter. */
  readonly recordDenials: boolean;
}
