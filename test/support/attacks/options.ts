/** The operator's options that concern the sandbox, and what a job makes of each. */
import { existsSync } from "node:fs";
import type { ExceptionKey } from "../../../src/effects/exceptions.ts";
import type { CapabilityName } from "../../../src/effects/kernel/capabilities.ts";
import type { Allocation } from "../agent/allocation.ts";
import { idmappedFolders } from "../host/temporaryFolder.ts";
import { cgroupRoot, folderOf, metricsPlaces, type Target } from "./catalogue.ts";
import { hostileRoot, plantHostileRoot } from "./hostileRoot.ts";
import { attackedNamespace } from "./journal.ts";
import { games } from "./target.ts";

type Options = Readonly<Record<string, unknown>>;

/** A value of an option, and how the job uses it to the full. */
export interface Level {
  /** The exception that it is; without one, it must open nothing. */
  readonly exception?: ExceptionKey;
  /** A capability that the driver itself needs for it. */
  readonly needs?: CapabilityName;
  /** Landlock's ABI that it needs. */
  readonly abi?: number;
  /** The plugin's options that have another effect than a permission. */
  readonly plugin?: Options;
  readonly job?: (target: Target) => Options;
  readonly user?: Allocation["user"];
  /** Set if journald takes the task's output. */
  readonly journald?: true;
  /** Makes what the job needs in its allocation. */
  readonly prepare?: (allocation: Allocation) => void;
  /** Set if it is not in the combinations of only two: it restricts, or another level is another way to the same. */
  readonly isMinor?: true;
}

/**
 * Everything that an operator may permit. Since a job that does not use a permission must not profit from it,
 * all tasks run with all of them, and only their jobs differ.
 */
export const permissive: Options = {
  unveil_by_task: true,
  allow_host_root: true,
  allow_idmapped_volumes: true,
  allow_root_dir: true,
  allow_root: true,
  allow_caps: ["all"],
  allow_seccomp: ["all"],
  allow_host_pid: true,
  allow_host_ipc: true,
  allow_raised_ulimits: true,
  groups_by_task: ["*", "0-4294967294"],
  allow_journald: true,
  allow_cgroup_delegate: true,
  // All attacks are aimed at what has the attacker's user.
  shared_dynamic_ids: "warn",
};

const capable = (...names: readonly string[]): Level => ({
  exception: "allowCaps",
  job: () => ({ cap_add: names }),
});
const calls = (...names: readonly string[]): Level => ({
  exception: "allowSeccomp",
  job: () => ({ seccomp_allow: names }),
});

const everywhere = ["0.0.0.0/0", "::/0"];
const ofPerl = [
  ...["/bin", "/lib", "/lib64", "/usr"].filter((path) => existsSync(path)).map((path) => `rx:${path}`),
  "r:/etc/ld.so.cache",
  "rw:/dev/null",
];

/** The levels of each factor by their names. The first one is the default. */
export const factors: Readonly<Record<string, Readonly<Record<string, Level>>>> = {
  user: {
    dynamic: {},
    // A task of root has the capabilities of allow_caps: none here, so that those of cap_add are the only ones.
    "root by allow_root": {
      exception: "allowRoot",
      user: { name: "root", uid: 0, gid: 0 },
      job: () => ({ cap_drop: ["all"] }),
    },
    "an account by allowed_users": {
      exception: "allowedUsers",
      plugin: { allowed_users: [games.name] },
      user: games,
    },
  },
  groups: {
    none: {},
    "one of the host by groups_by_task": {
      exception: "groupsByTask",
      job: () => ({ groups: ["audio"] }),
    },
  },
  unveil: {
    none: {},
    "/proc by unveil_by_task": { exception: "unveilByTask", job: () => ({ unveil: ["r:/proc"] }) },
    "a folder by unveil_by_task": {
      exception: "unveilByTask",
      job: ({ ownFile }) => ({ unveil: ["r:/proc", `rwc:${folderOf(ownFile)}`] }),
    },
    "a folder, a device and cgroups by unveil_allowed": {
      exception: "unveilAllowed",
      plugin: { unveil_allowed: ["r:/proc", "rw:/dev/ptmx", `rw:${cgroupRoot}`, "rwc:/var/lib"] },
      job: ({ ownFile }) => ({
        unveil: ["r:/proc", "rw:/dev/ptmx", `rw:${cgroupRoot}`, `rwc:${folderOf(ownFile)}`],
      }),
    },
    "/dev by unveil_sets": {
      exception: "unveilSets",
      plugin: { unveil_sets: [{ terminals: ["rw:/dev"] }] },
      job: () => ({ unveil_sets: ["terminals"] }),
    },
    "/dev by unveil_paths": { exception: "unveilPaths", plugin: { unveil_paths: ["rw:/dev"] } },
    "what Perl needs, without unveil_defaults": {
      isMinor: true,
      plugin: { unveil_defaults: false, unveil_sets: [{ perl: ofPerl }] },
      job: () => ({ unveil_sets: ["perl"] }),
    },
  },
  root: {
    private: {},
    "the host's by allow_host_root": { exception: "allowHostRoot", job: () => ({ root: "host" }) },
    "the host's by root": { isMinor: true, exception: "root", plugin: { root: "host" } },
    "a hostile folder by allow_root_dir": {
      job: () => ({ root_dir: hostileRoot, root_dir_writable: true }),
      prepare: plantHostileRoot,
    },
  },
  capabilities: {
    none: {},
    "dac_override and dac_read_search": capable("dac_override", "dac_read_search"),
    "kill and sys_ptrace": capable("kill", "sys_ptrace"),
    "sys_nice and sys_resource": { ...capable("sys_nice", "sys_resource"), needs: "sys_resource" },
    "net_admin and net_raw": capable("net_admin", "net_raw"),
    "mknod, fowner, setuid and setgid": capable("mknod", "fowner", "setuid", "setgid"),
    "sys_admin and others": capable("sys_admin", "sys_chroot", "sys_time", "syslog", "bpf", "perfmon"),
  },
  seccomp: {
    default: {},
    "@handle and @keyring": calls("@handle", "@keyring"),
    "@other_process and @aio": calls("@other_process", "@aio"),
    unconfined: { exception: "allowSeccomp", job: () => ({ seccomp: "unconfined" }) },
    "unconfined by seccomp": { isMinor: true, exception: "seccomp", plugin: { seccomp: "unconfined" } },
    "a profile of seccomp_profiles": {
      isMinor: true,
      exception: "seccompProfiles",
      plugin: { seccomp_profiles: [{ lenient: ["+@handle", "+@keyring", "+@other_process", "+@aio"] }] },
      job: () => ({ seccomp: "lenient" }),
    },
  },
  pids: {
    private: {},
    "the host's by allow_host_pid": { exception: "allowHostPid", job: () => ({ pid_mode: "host" }) },
    // Not with the host's pids.
    "private, with cgroups by allow_cgroup_delegate": { job: () => ({ cgroup_delegate: true }) },
    "private, with a view of its cgroup": { job: () => ({ cgroup_view: "own" }) },
  },
  stop: {
    "by signal": {},
    "stop_command, without Landlock's scope of signals": { job: () => ({ stop_command: ["true"] }) },
  },
  ipc: {
    private: {},
    "the host's by allow_host_ipc": { exception: "allowHostIpc", job: () => ({ ipc_mode: "host" }) },
  },
  logs: {
    "read-only": {},
    writable_logs: { exception: "writableLogs", plugin: { writable_logs: true } },
  },
  // Every task has volumes of others.
  volumes: {
    "as they are": {},
    "one of another user by allow_idmapped_volumes": {
      exception: "allowIdmappedVolumes",
      job: () => ({ idmapped_volumes: ["local/others"] }),
    },
    "one of root by idmapped_root_volumes": {
      exception: "idmappedRootVolumes",
      plugin: { idmapped_root_volumes: [idmappedFolders] },
      job: () => ({ idmapped_volumes: ["local/roots"] }),
    },
  },
  "log collection": {
    "the agent's": {},
    "the driver's": {
      plugin: { log_collection: "driver", log_max_files: 2, log_max_file_size: 1, log_rate: 4 },
    },
    "journald's": {
      journald: true,
      plugin: { log_collection: "journald", journal_namespace: attackedNamespace },
    },
    "journald's by allow_journald": {
      ...{ isMinor: true, journald: true },
      plugin: { journal_namespace: attackedNamespace },
      job: () => ({ log_collection: "journald" }),
    },
  },
  tmp: { "the task's": {}, "the host's by private_tmp": { plugin: { private_tmp: false } } },
  egress: {
    anywhere: {},
    // Everything that the attacks of the catalogue connect to, so that only the list's own doing differs.
    "a list of everything": { job: () => ({ egress: everywhere }) },
    "a list of everything by egress, without addresses of egress_denied": {
      isMinor: true,
      plugin: { egress: everywhere, egress_denied: ["192.0.2.0/24"] },
    },
  },
  limits: {
    "the agent's": {},
    allow_raised_ulimits: {
      exception: "allowRaisedUlimits",
      needs: "sys_resource",
      job: () => ({ ulimit: [{ memlock: "unlimited", rtprio: "99", nice: "40" }] }),
    },
  },
  metrics: {
    none: {},
    "at a port": { exception: "metrics", plugin: { metrics: `127.0.0.1:${metricsPlaces.port}` } },
    "on a socket": { isMinor: true, plugin: { metrics: metricsPlaces.socket } },
  },
  restrictions: {
    none: {},
    "fewer variables, and own files of identity": {
      isMinor: true,
      plugin: { denied_envvars: ["LANG", "*_TOKEN"], identity_files: true },
    },
    "fewer users": {
      isMinor: true,
      plugin: {
        ...{ denied_host_uids: "1000-1999", denied_host_gids: "1000-1999" },
        dynamic_user_ids: "80000-99999",
      },
    },
    "TCP ports": { isMinor: true, abi: 4, plugin: { connect_tcp: [443], bind_tcp: [0, 8080] } },
    "UDP ports": { isMinor: true, abi: 10, plugin: { connect_udp: [53], bind_udp: [0] } },
    "less of the host": {
      isMinor: true,
      plugin: {
        ...{ pids_limit: 64, swap_limit: 16, io_max: [{ read: "200MB" }], hugepages: { "2MB": 2 } },
        ...{ disk_limit: 1_000, disk_limit_missing: "warn" },
      },
    },
    "other records": {
      isMinor: true,
      plugin: {
        ...{ denials: "off", black_box: "auto", observe: "on", usage_interval: "1s", exit_message: "output" },
        history: [{ keep: "1h", max_size_mb: "64" }],
      },
    },
  },
};

/**
 * What of the plugin's block no combination has, each key with tests of its own, by their files and the beginnings of
 * their titles. The others are in {@link factors} (options.test.ts).
 */
export const ownTests = {
  // Not among the attacks, because it takes two allocations with the user of one.
  sharedDynamicIds: [
    "test/attacks/sharedUser.kernel.test.ts",
    "takes what the kernel counts for a user from all who share the user",
  ],
  // Traces are sent two seconds after a task's end.
  traces: ["test/attacks/records.kernel.test.ts", "%s go to who listens at the collector's address"],
  otlpMetrics: ["test/attacks/records.kernel.test.ts", "%s go to who listens at the collector's address"],
  otlpEvents: ["test/attacks/records.kernel.test.ts", "%s go to who listens at the collector's address"],
  keepOutput: [
    "test/cli/commands/keptOutput.kernel.test.ts",
    "is shown by logs and why once its folder is gone, and has no secret",
  ],
  candidate: ["test/e2e/observe/candidate.kernel.test.ts", "refuses nothing, and says what it would refuse"],
  // Every plugin of the attacks has one of its own, whose event log they try to read.
  stateDir: ["test/support/attacks/options.test.ts", "no option of a job reaches"],
} as const satisfies Readonly<Record<string, readonly [file: string, title: string]>>;
