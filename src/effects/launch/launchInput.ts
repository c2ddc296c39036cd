/** What has to be known to start a task: everything a launch plan is made of. */
import type { TaskOptions } from "../../config/options/taskOptions.ts";
import type { Propagation } from "../../config/task/taskRequest.ts";
import type { NamespaceRule } from "../landlock/rules.ts";
import type { TaskLimit } from "../processes/resourceLimits.ts";
import type { TaskCapabilities } from "../users/capabilities.ts";

export interface LaunchInput extends EarlyInput, LateInput {}

/** What the run's namespaces are made of. */
export interface EarlyInput {
  /** Of the task, as the job has them; what some lead to on this host is told besides. */
  readonly options: TaskOptions;
  /** First argument of the run's init, so that `ps` shows `exec2-init: <alloc>/<task>`. */
  readonly initName: string;
  /** Absolute path of the cgroup v2 folder that the task is born in; undefined for this process's own. */
  readonly cgroup: string | undefined;
  readonly network: LaunchNetwork;
  /** Of the run alone; undefined for the host's. ASCII. */
  readonly hostname: string | undefined;
  /** Of a run that stays in this process's pid namespace; undefined for one with a pid namespace of its own. */
  readonly runCgroup: RunCgroup | undefined;
  readonly binds: readonly Bind[];
  /** Volumes and devices; each after those that it lies in. */
  readonly mounts: readonly LaunchMount[];
  /** What the task reaches through {@link mounts} only. */
  readonly hidden: readonly HiddenPath[];
  /** A folder that the task sees as `/tmp`, and that is no symlink; undefined for the host's `/tmp`. */
  readonly privateTmp: string | undefined;
  /** Where init records the task's raw wait status, in a folder that is root's alone. */
  readonly statusFile: string;
  /** An existing FIFO beside it, which init holds open for writing as long as it lives. */
  readonly aliveFifo: string;
}

export interface LateInput extends TaskProcess {
  /** Landlock rules that only the run's own processes can add. */
  readonly namespaceRules: readonly NamespaceRule[];
  /** As in {@link EarlyInput}. */
  readonly runCgroup: RunCgroup | undefined;
}

/**
 * A cgroup that init makes for its run alone, so that all of it can be killed at
 * once, however its processes hide. The task is born in it, init stays outside.
 */
export interface RunCgroup {
  /** Absolute path of the task's cgroup, which the agent has made. */
  readonly parent: string;
  /** Of the folder in it. */
  readonly name: string;
}

/** What a process of the task is made of: its program, and what it may do. */
export interface TaskProcess {
  /** As in {@link EarlyInput}, of a further process too. */
  readonly options: TaskOptions;
  /** Absolute path. */
  readonly command: string;
  /** First argument: the command as the job names it, which programs tell their names by. */
  readonly name: string;
  /** The other arguments. */
  readonly args: readonly string[];
  /** The whole environment; values are secrets. */
  readonly env: Readonly<Record<string, string>>;
  /** Entered with the task's own rights. */
  readonly workDir: string;
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups; none of this process's are inherited. */
  readonly groups: readonly number[];
  /** Limits that are not this process's own, such as that of open descriptors, which Node raises for itself. */
  readonly limits: readonly TaskLimit[];
  /** Undefined where no set but those that go with the user needs to be touched. */
  readonly capabilities: TaskCapabilities | undefined;
}

export type LaunchNetwork =
  /** The network of this process. */
  | { readonly kind: "host" }
  /** The namespace that is mounted at a path, such as `/var/run/netns/<alloc>`. */
  | { readonly kind: "join"; readonly path: string }
  /** A new namespace with nothing but a loopback interface. */
  | { readonly kind: "loopback" };

/** A volume or device, with all that is mounted below its source. */
export interface LaunchMount {
  readonly kind: "volume" | "device";
  readonly source: string;
  /** Exists by the time of the mount, and has no symlink in it: one that has is refused. */
  readonly target: string;
  readonly readOnly: boolean;
  readonly propagation: Propagation;
}

/** A path of the host that nothing is left of in the task's mount namespace. */
export interface HiddenPath {
  readonly path: string;
  readonly isFolder: boolean;
}

/** A file or folder that the task sees at another path; mounts below the source come along. */
export interface Bind {
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
}
