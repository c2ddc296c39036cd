/** The input of a launch plan: everything that is needed to start a task. */
import type { TaskOptions } from "../../config/options/taskOptions.ts";
import type { OwnRoot } from "../../config/task/taskRoot.ts";
import type { HiddenPath, LaunchMount } from "../files/mountPoints.ts";
import type { KnownRule, NamespaceRule } from "../landlock/rules.ts";
import type { TaskLimit } from "../processes/resourceLimits.ts";
import type { SystemCallFilter } from "../seccomp/systemCallFilter.ts";
import type { TaskCapabilities } from "../users/capabilities.ts";

/** The input for the run's init and its namespaces. */
export interface EarlyInput {
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
  readonly root: LaunchRoot;
  readonly binds: readonly Bind[];
  /** Folders in the task's own folders that become read-only. */
  readonly readOnlyFolders: readonly string[];
  /** Volumes and devices. A mount inside another mount comes after that mount. */
  readonly mounts: readonly LaunchMount[];
  /** Paths that the task may reach only through {@link mounts}. */
  readonly hidden: readonly HiddenPath[];
  /** A folder, not a symlink to one, that the task sees as `/tmp`; undefined for the host's `/tmp`. */
  readonly privateTmp: string | undefined;
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

/**
 * A cgroup that init creates for its run only, so that the whole run can be killed
 * at once, however its processes hide. The task starts in it. Init stays outside.
 */
export interface RunCgroup {
  /** Absolute path of the task's cgroup, which the agent has created. */
  readonly parent: string;
  /** Name of the run's cgroup below `parent`. */
  readonly name: string;
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

/** The root of the run's file system. The plan inherits a descriptor of the mount namespace to copy. */
export type LaunchRoot =
  /** The host's tree. */
  | { readonly kind: "host" }
  /** A copy of a template. */
  | (OwnRoot & {
      readonly kind: "private";
      /** Size of /dev/shm. */
      readonly shmBytes: number;
    });

export type LaunchNetwork =
  /** The network of this process. */
  | { readonly kind: "host" }
  /** The namespace mounted at a path, such as `/var/run/netns/<alloc>`. */
  | { readonly kind: "join"; readonly path: string }
  /** A new namespace with only a loopback interface. */
  | { readonly kind: "loopback" };

/** A file or folder that the task sees at another path, with all mounts below it. */
export interface Bind {
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
}
