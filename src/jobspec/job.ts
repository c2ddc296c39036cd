/** A job file as `run` understands it. Values that depend on the allocation are still template text. */

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
  /** Instances that the job asks for; a local run starts one. */
  readonly count: number;
  readonly network: Network;
  readonly tasks: readonly Task[];
}

export interface Network {
  readonly mode: "host" | "none";
  /** Template text; undefined: the host's. */
  readonly hostname: string | undefined;
  readonly ports: readonly PortRequest[];
  readonly dns: Dns | undefined;
}

export interface PortRequest {
  readonly label: string;
  /** Undefined: any free port. */
  readonly static: number | undefined;
}

interface Dns {
  readonly servers: readonly string[];
  readonly searches: readonly string[];
  readonly options: readonly string[];
}

/** When a task runs, as seen from the group's main tasks. */
export type Phase = "prestart" | "main" | "poststart" | "poststop";

export interface Task {
  readonly name: string;
  readonly phase: Phase;
  /** Runs beside the main tasks and is stopped after them. */
  readonly sidecar: boolean;
  /** The group's other tasks are stopped when this one ends. */
  readonly leader: boolean;
  /** Name of a system user; undefined: a dynamic one. */
  readonly user: string | undefined;
  /** For the driver: checked against its schema, not here. Strings are template text. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Values are template text. */
  readonly env: Readonly<Record<string, string>>;
  /** Of job, group and task together; values are template text. */
  readonly meta: Readonly<Record<string, string>>;
  readonly resources: Resources;
  readonly killSignal: string | undefined;
  readonly killTimeoutMs: number;
  readonly logsDisabled: boolean;
  readonly templates: readonly Template[];
  readonly volumeMounts: readonly VolumeMount[];
}

/** A volume that a group asks for. */
export interface VolumeRequest {
  /** In the group. */
  readonly name: string;
  /** Name of the host volume, of which only the client knows where it is. */
  readonly source: string;
  readonly readOnly: boolean;
}

export interface VolumeMount {
  readonly volume: VolumeRequest;
  /** Template text: absolute, or relative to the task's folder. */
  readonly destination: string;
  /** Because the volume is, or the mount. */
  readonly readOnly: boolean;
  readonly propagation: string;
}

export interface Resources {
  readonly cpuMhz: number;
  /** Number of cores to reserve; 0 where the job asks for MHz instead. */
  readonly cores: number;
  readonly memoryMb: number;
  /** -1: no limit. */
  readonly memoryMaxMb: number | undefined;
}

export interface Template {
  /** Literal text but for `{{ env "NAME" }}`. */
  readonly data: string;
  /** Template text: below the task's folder, or `${NOMAD_ALLOC_DIR}` and the like. */
  readonly destination: string;
  /** File mode bits. */
  readonly perms: number;
  /** The file's `KEY=value` lines become part of the task's environment. */
  readonly env: boolean;
  /** Undefined: root's. */
  readonly uid: number | undefined;
  readonly gid: number | undefined;
  readonly leftDelimiter: string;
  readonly rightDelimiter: string;
}
