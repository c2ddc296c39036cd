/**
 * A task as the agent asked for it, in the driver's own terms: what the gRPC
 * layer makes of Nomad's `TaskConfig` once its options have been checked.
 */

import type { TaskOptions } from "../options/taskOptions.ts";
import type { HostEntry } from "./hostNames.ts";

export interface TaskRequest {
  /** `<allocation id>/<task name>/<8 hex digits>`, new at every start. */
  readonly taskId: string;
  readonly taskName: string;
  readonly allocId: string;
  readonly groupName: string;
  readonly jobId: string;
  readonly jobName: string;
  readonly namespace: string;
  readonly nodeId: string;
  readonly nodeName: string;
  readonly options: TaskOptions;
  /** The job's environment, complete but for what the driver itself adds. Holds secrets. */
  readonly env: Readonly<Record<string, string>>;
  /** `nomad-<n>` for a dynamic user, a name of the host's user database, or empty. */
  readonly user: string;
  /** The allocation's private folder, `<data>/alloc/<alloc>`. */
  readonly allocDir: string;
  /** Log FIFOs, or `/dev/null` where the task's logs are disabled. */
  readonly stdoutPath: string;
  readonly stderrPath: string;
  readonly resources: TaskResources;
  readonly network: TaskNetwork;
  readonly mounts: readonly TaskMount[];
  readonly devices: readonly TaskDevice[];
  readonly dns: TaskDns | undefined;
}

export interface TaskResources {
  /** MHz; 0 where the job names none. */
  readonly cpuMhz: number;
  /** MiB; 0 where the job names none. */
  readonly memoryMb: number;
  /** MiB; 0 unless the job asks for `memory_max`, -1 for no limit. */
  readonly memoryMaxMb: number;
  /** Linux list format (`0-1,4`); empty unless the job asks for `cores`. */
  readonly cpusetCpus: string;
  /** Absolute path of the cgroup v2 folder that the client made for the task. */
  readonly cgroup: string;
}

export interface TaskNetwork {
  readonly mode: "host" | "group" | "none";
  /** The network namespace to join; empty where there is none. */
  readonly path: string;
  /** The allocation's own name and address, where it has a name. */
  readonly self: HostEntry | undefined;
}

/** A volume: a file or folder of the host that the task sees at a path of its own. */
export interface TaskMount {
  readonly source: string;
  /** As the job has it: absolute, or relative to the task's folder. */
  readonly target: string;
  readonly readOnly: boolean;
  readonly propagation: Propagation;
}

/** Whether what the host mounts below a volume's source later shows up in a task that runs. */
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
