/**
 * The operator's options that open what the sandbox otherwise closes. docs/security.md lists them from here,
 * and attacks are tried under each of them and under each two (test/attacks/combinations.kernel.test.ts): an
 * option that opens something and is not here fails the tests. Pure.
 */
/** What an attack breaks through. */
export type Boundary =
  | "files"
  /** What belongs to other users and groups of the host. */
  | "accounts"
  | "processes"
  | "command lines"
  | "ipc"
  | "kernel"
  | "network"
  | "resources"
  /** What the driver tells of all tasks. */
  | "records";

export interface Exception {
  /** The option as the plugin block has it. */
  readonly option: string;
  /** What a job may break through that uses the option to the full, alone or together with others. */
  readonly opens: readonly Boundary[];
  /** What the operator has to know, as a sentence without its full stop. */
  readonly meaning: string;
}

/** The exceptions by the keys of the plugin's options. All other options open nothing. */
export const exceptions = {
  unveilByTask: {
    option: "unveil_by_task",
    opens: ["files"],
    meaning:
      "the job names further paths of the host. The task reaches what its user may reach there: with `w`, also the sockets of services, and the sources of host volumes, whatever the volume's `read_only` and Nomad's rules on volumes say",
  },
  unveilAllowed: {
    option: "unveil_allowed",
    opens: ["files", "resources"],
    meaning:
      "the same, for the listed paths. A list that names cgroup file systems or devices opens these, too: with `/dev/ptmx`, all of the host's terminals",
  },
  unveilPaths: {
    option: "unveil_paths",
    opens: ["files", "resources"],
    meaning:
      "the same, for all tasks. Nothing is checked, so no entry should be around the agent's data folder or around `/dev`",
  },
  unveilSets: {
    option: "unveil_sets",
    opens: ["files", "resources"],
    meaning: "the same as `unveil_paths`, for the jobs that name a set. Every job may name every set",
  },
  allowHostRoot: {
    option: "allow_host_root",
    opens: ["files", "resources"],
    meaning:
      "with `root = \"host\"`, the task sees the host's tree. It connects to every socket that its user may write to, changes modes and owners of its user's files, opens device nodes in unveiled folders, and with `/dev` unveiled by the operator it may take all of the host's terminals",
  },
  root: {
    option: "root",
    opens: ["files", "resources"],
    meaning: 'with `"host"`, the same for all tasks that do not say `root = "private"`',
  },
  allowRoot: {
    option: "allow_root",
    opens: ["files", "accounts"],
    meaning:
      "the task is the host's root, restricted by Landlock, its capabilities, its private root and the filter ([users](configuration.md#users)). Where something is unveiled, it is root's",
  },
  allowedUsers: {
    option: "allowed_users",
    opens: ["accounts"],
    meaning:
      "a task is an account of the host, with all that is unveiled and that account's. Without the option it may be any but root",
  },
  groupsByTask: {
    option: "groups_by_task",
    opens: ["accounts"],
    meaning: "a task has further groups, with what is unveiled and these groups'",
  },
  sharedDynamicIds: {
    option: "shared_dynamic_ids",
    opens: ["accounts", "resources"],
    meaning:
      'with `"warn"`, tasks of two allocations may have one user, own the same files where something is unveiled, and use up what the kernel counts for a user',
  },
  allowIdmappedVolumes: {
    option: "allow_idmapped_volumes",
    opens: ["accounts"],
    meaning: "a task owns the files of the owner of a volume that the job may use, unless that is root",
  },
  idmappedRootVolumes: {
    option: "idmapped_root_volumes",
    opens: ["accounts"],
    meaning: "the same for root's files in these volumes",
  },
  allowCaps: {
    option: "allow_caps",
    opens: ["files", "accounts", "processes", "kernel", "network", "resources"],
    meaning:
      "capabilities beyond the default ones apply to all that the task can reach: `net_admin` and `net_raw` to the host's network, `dac_override` to every unveiled folder, `sys_ptrace` and `kill` to the processes that its namespaces show. With `sys_nice` it gets processors before all others",
  },
  allowSeccomp: {
    option: "allow_seccomp",
    opens: ["files", "processes", "kernel", "resources"],
    meaning:
      "the job lifts groups of the filter, or all of it with `unconfined`. `@handle` with `dac_read_search` reads every file of a file system, `@other_process` in the host's pid namespace limits other processes of the user, `@aio` takes the host's asynchronous requests",
  },
  seccomp: {
    option: "seccomp",
    opens: ["files", "processes", "kernel", "resources"],
    meaning: "with `unconfined`, or a profile that lifts groups, the same for all tasks that name no profile",
  },
  seccompProfiles: {
    option: "seccomp_profiles",
    opens: ["files", "processes", "kernel", "resources"],
    meaning: "what a profile lifts is lifted where `seccomp` or `allow_seccomp` has the profile",
  },
  allowHostPid: {
    option: "allow_host_pid",
    opens: ["command lines"],
    meaning:
      'with `pid_mode = "host"`, the task sees all processes of the host, with their arguments where `/proc` is unveiled',
  },
  allowRaisedUlimits: {
    option: "allow_raised_ulimits",
    opens: ["resources"],
    meaning:
      "with `ulimit`, the task takes more than the agent itself could of what the kernel counts for processes. With `rtprio` and `nice` it gets processors before all others, and its `cpu` does not bound what runs with real-time priority",
  },
  allowHostIpc: {
    option: "allow_host_ipc",
    opens: ["ipc"],
    meaning: "the task uses the host's System V IPC objects and message queues, as far as its user may",
  },
  writableLogs: {
    option: "writable_logs",
    opens: ["files"],
    meaning:
      "tasks write to `alloc/logs`, where agents before Nomad 2.0.1 follow symlinks as root (CVE-2026-6959)",
  },
  metrics: {
    option: "metrics",
    opens: ["records"],
    meaning:
      "at a port, a task in the host's network reads which tasks run and what they use, unless `egress_denied` has loopback. A unix socket is root's",
  },
  traces: {
    option: "traces",
    opens: ["records"],
    meaning:
      "if the collector is on loopback, a task in the host's network that listens in its place gets the traces of all tasks",
  },
  otlpMetrics: {
    option: "otlp_metrics",
    opens: ["records"],
    meaning: "as with `traces`: such a task gets the metrics",
  },
  otlpEvents: {
    option: "otlp_events",
    opens: ["records"],
    meaning: "as with `traces`: such a task gets the events",
  },
} as const satisfies Readonly<Record<string, Exception>>;

export type ExceptionKey = keyof typeof exceptions;
