/**
 * A task as the agent requests it, in the driver's own types. The gRPC layer converts Nomad's `TaskConfig` to
 * a {@link TaskRequest} once the task's options are checked. Pure.
 */

import type { TaskId } from "../../taskId.ts";
import type { TaskOptions } from "../options/taskOptions.ts";
import type { HostEntry } from "../values/hostNames.ts";

export interface TaskRequest {
  /** `<allocation id>/<task name>/<8 hex digits>`, new at every start. */
  readonly taskId: TaskId;
  readonly taskName: string;
  readonly allocId: string;
  readonly groupName: string;
  readonly jobId: string;
  readonly jobName: string;
  readonly namespace: string;
  readonly nodeId: string;
  readonly nodeName: string;
  readonly options: TaskOptions;
  /** The task's environment, without the variables that the driver adds. Holds secrets. */
  readonly env: Readonly<Record<string, string>>;
  /** `nomad-<n>` for a dynamic user, a name in the host's user database, or empty. */
  readonly user: string;
  /** The allocation's private folder, `<data>/alloc/<alloc>`. */
  readonly allocDir: string;
  /** Log FIFOs, or `/dev/null` if the task's logs are disabled. */
  readonly stdoutPath: string;
  readonly stderrPath: string;
  readonly resources: TaskResources;
  readonly network: TaskNetwork;
  readonly mounts: readonly TaskMount[];
  readonly devices: readonly TaskDevice[];
  readonly dns: TaskDns | undefined;
}

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

export interface TaskNetwork {
  readonly mode: "host" | "group" | "none";
  /** Path of the network namespace to join; empty if there is none. */
  readonly path: string;
  /** The allocation's host name and address; undefined if the allocation has no host name. */
  readonly self: HostEntry | undefined;
}

/** A volume: a file or folder of the host that is mounted in the task. */
export interface TaskMount {
  readonly source: string;
  /** The path in the job: absolute, or relative to the task's folder. */
  readonly target: string;
  readonly readOnly: boolean;
  readonly propagation: Propagation;
}

/** Whether a running task sees later mounts of the host below a volume's source. */
export type Propagation = "private" | "host-to-task";

/** A device node of the host. */
export interface TaskDevice {
  readonly source: string;
  readonly target: string;
  readonly read: boolean;
  readonly write: boolean;
}

export interface TaskDns {
  readonly servers: readonly string[];
  readonly searches: readonly string[];
  readonly options: readonly string[];
}
