/** A parsed job file. Values that depend on the allocation are still template text. Pure. */

export interface Job {
  readonly id: string;
  readonly name: string;
  readonly namespace: string;
  readonly region: string;
  readonly datacenter: string;
  readonly groups: readonly Group[];
  /** Parts of the file that have no effect on a local run, such as `job.group.web.restart`. */
  readonly ignored: readonly string[];
}

export interface Group {
  readonly name: string;
  /** Number of instances (allocations) of the group. */
  readonly count: number;
  readonly network: Network;
  readonly tasks: readonly Task[];
  /** Checks of the group's services and of its tasks' services. */
  readonly checks: readonly Check[];
  /** Upstreams of Connect, which `--skip connect` reaches without it. */
  readonly upstreams: readonly Upstream[];
}

/** A service that tasks reach through Connect's proxy on a cluster. */
export interface Upstream {
  readonly name: string;
  /** Where the proxy listens on a cluster, on the loopback address. */
  readonly port: number;
}

/** A check of a service. Strings are template text. */
export interface Check {
  /** The check's name in messages, such as `web: http on /health`. */
  readonly name: string;
  readonly probe: Probe;
  /** The task in which a script runs, and which is restarted; undefined means all main tasks of the group. */
  readonly task: string | undefined;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Consecutive successes after which the check becomes healthy. */
  readonly successBeforePassing: number;
  /** Consecutive failures after which the check becomes unhealthy. */
  readonly failuresBeforeCritical: number;
  /** Undefined if nothing is restarted. */
  readonly restart: CheckRestart | undefined;
}

export type Probe =
  | { readonly kind: "tcp"; readonly port: string }
  | {
      readonly kind: "http";
      /** Label of a port, or its number. */
      readonly port: string;
      readonly secure: boolean;
      /** Whether the server's certificate is verified. */
      readonly verifies: boolean;
      readonly method: string;
      readonly path: string;
      readonly headers: Readonly<Record<string, readonly string[]>>;
      readonly body: string;
    }
  | { readonly kind: "script"; readonly command: string; readonly args: readonly string[] };

export interface CheckRestart {
  /** Consecutive unhealthy results after which the task, or the group, is restarted. */
  readonly limit: number;
  /** Time after the task's start during which results do not count. */
  readonly graceMs: number;
}

export interface Network {
  readonly mode: "host" | "none" | "bridge";
  /** Template text; undefined means the host's own name. */
  readonly hostname: string | undefined;
  readonly ports: readonly PortRequest[];
  readonly dns: Dns | undefined;
}

export interface PortRequest {
  readonly label: string;
  /** Undefined means any free port. */
  readonly static: number | undefined;
  /** The port in a network of the group's own; undefined means the same as on the host. */
  readonly to: number | undefined;
}

interface Dns {
  readonly servers: readonly string[];
  readonly searches: readonly string[];
  readonly options: readonly string[];
}

/** When a task runs, relative to the group's main tasks. */
export type Phase = "prestart" | "main" | "poststart" | "poststop";

export interface Task {
  readonly name: string;
  /** Such as `exec2`. A local run has only this driver. */
  readonly driver: string;
  readonly phase: Phase;
  /** Whether the task runs beside the main tasks and is stopped after them. */
  readonly sidecar: boolean;
  /** Whether the group's other tasks are stopped when this task ends. */
  readonly leader: boolean;
  /** Name of a system user; undefined means a dynamic user. */
  readonly user: string | undefined;
  /** Options of the driver, which its own schema checks later. Strings are template text. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Values are template text. */
  readonly env: Readonly<Record<string, string>>;
  /** Metadata of job, group and task, merged. Values are template text. */
  readonly meta: Readonly<Record<string, string>>;
  readonly resources: Resources;
  readonly killSignal: string | undefined;
  readonly killTimeoutMs: number;
  readonly logsDisabled: boolean;
  readonly templates: readonly Template[];
  /** Path in the folder `local` of the file that gets the payload of a dispatch; undefined if none does. */
  readonly payloadFile: string | undefined;
  readonly volumeMounts: readonly VolumeMount[];
  /** Checks of the task's services. */
  readonly checks: readonly Check[];
  /** Names of the secrets that a cluster would give it. */
  readonly secrets: readonly string[];
}

/** A `volume` block of a group. */
export interface VolumeRequest {
  /** The block's label, by which the group's tasks mount the volume. */
  readonly name: string;
  /** Name of the host volume. Only the client knows its path. */
  readonly source: string;
  /** Whether each instance has a volume of its own, named `source[index]`. */
  readonly perAlloc: boolean;
  readonly readOnly: boolean;
}

/** The name of the host volume that an instance of a group mounts. */
export function hostVolumeOf({ source, perAlloc }: VolumeRequest, index: number): string {
  return perAlloc ? `${source}[${index}]` : source;
}

export interface VolumeMount {
  /** Its place in the job file, for errors. */
  readonly place: string;
  readonly volume: VolumeRequest;
  /** Template text: absolute, or relative to the task's folder. */
  readonly destination: string;
  /** True if the volume or the mount is read only. */
  readonly readOnly: boolean;
  readonly propagation: string;
}

export interface Resources {
  readonly cpuMhz: number;
  /** Number of cores to reserve; 0 if the job sets MHz instead. */
  readonly cores: number;
  readonly memoryMb: number;
  /** -1 means no limit. */
  readonly memoryMaxMb: number | undefined;
}

export interface Template {
  /** Its place in the job file, for errors. */
  readonly place: string;
  /** Text of a Go template (see goTemplate/). */
  readonly data: string;
  /** Template text: a path below the task's folder or below `${NOMAD_ALLOC_DIR}`. */
  readonly destination: string;
  /** File mode bits. */
  readonly perms: number;
  /** Whether the file's `KEY=value` lines become part of the task's environment. */
  readonly env: boolean;
  /** Undefined means root. */
  readonly uid: number | undefined;
  readonly gid: number | undefined;
  readonly leftDelimiter: string;
  readonly rightDelimiter: string;
}
