/** The operator's options that concern the sandbox, and what a job makes of each. */
import type { ExceptionKey } from "../../../src/effects/exceptions.ts";
import type { CapabilityName } from "../../../src/effects/kernel/capabilities.ts";
import type { Mount } from "../../../src/grpc/generated/nomad/driver.ts";
import type { Allocation } from "../agent/allocation.ts";
import { volumeMount } from "../agent/requests.ts";
import { hostFolder, idmappedFolders } from "../host/temporaryFolder.ts";
import { cgroupRoot, folderOf, type Target } from "./catalogue.ts";
import { hostileRoot, plantHostileRoot } from "./hostileRoot.ts";
import { attackedNamespace } from "./journal.ts";

type Options = Readonly<Record<string, unknown>>;

/** A value of an option, and how the job uses it to the full. */
export interface Level {
  /** The exception that it is; without one, it must open nothing. */
  readonly exception?: ExceptionKey;
  /** A capability that the driver itself needs for it. */
  readonly needs?: CapabilityName;
  /** The plugin's options that have another effect than a permission. */
  readonly plugin?: Options;
  readonly job?: (target: Target) => Options;
  /** Volumes of the task. */
  readonly mounts?: () => readonly Mount[];
  readonly user?: Allocation["user"];
  /** Set if journald takes the task's output. */
  readonly journald?: true;
  /** Makes what the job needs in its allocation. */
  readonly prepare?: (allocation: Allocation) => void;
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
};

const capable = (...names: readonly string[]): Level => ({
  exception: "allowCaps",
  job: () => ({ cap_add: names }),
});
const calls = (...names: readonly string[]): Level => ({
  exception: "allowSeccomp",
  job: () => ({ seccomp_allow: names }),
});

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
  },
  root: {
    private: {},
    "the host's by allow_host_root": { exception: "allowHostRoot", job: () => ({ root: "host" }) },
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
  volumes: {
    none: {},
    "one of another user by allow_idmapped_volumes": {
      job: () => ({ idmapped_volumes: ["local/idmapped"] }),
      mounts: () => [
        volumeMount(hostFolder({ uid: 20_001, gid: 20_001 }, idmappedFolders), "local/idmapped"),
      ],
    },
  },
  "log collection": {
    "the agent's": {},
    "the driver's": { plugin: { log_collection: "driver" } },
    "journald's": {
      journald: true,
      plugin: { log_collection: "journald", journal_namespace: attackedNamespace },
    },
  },
  tmp: { "the task's": {}, "the host's by private_tmp": { plugin: { private_tmp: false } } },
  egress: {
    anywhere: {},
    // Everything that the attacks of the catalogue connect to, so that only the list's own doing differs.
    "a list of everything": { job: () => ({ egress: ["0.0.0.0/0", "::/0"] }) },
  },
  limits: {
    "the agent's": {},
    allow_raised_ulimits: {
      exception: "allowRaisedUlimits",
      needs: "sys_resource",
      job: () => ({ ulimit: [{ memlock: "unlimited", rtprio: "99", nice: "40" }] }),
    },
  },
};

/**
 * The plugin's options that no factor has, each with the reason why it opens nothing for a job. A new option
 * of the plugin's block has to be here or above (options.test.ts).
 */
export const closing: Readonly<Record<string, string>> = {
  deniedEnvvars: "takes variables away",
  unveilDefaults: "without them, a task has fewer paths",
  root: "the job's root, by default",
  idmappedRootVolumes: "which volumes belong to a job: the operator names root's here",
  identityFiles: "files of the task's own",
  dynamicUserIds: "which ids are dynamic users'",
  sharedDynamicIds: "the users of two tasks, which are the same one in all these attacks",
  allowedUsers: "which accounts of the host a job may run as: it takes users away",
  deniedHostUids: "takes users away",
  deniedHostGids: "takes groups away",
  // All tasks run with it, but no level has a job that names groups.
  groupsByTask: "further groups, which have what the host gives them",
  pidsLimit: "a limit",
  ioMax: "a limit",
  hugepages: "a limit",
  swapLimit: "a limit",
  diskLimit: "a limit",
  diskLimitMissing: "whether a start without its limit is refused",
  egress: "a limit",
  egressDenied: "a limit",
  connectTcp: "a limit",
  bindTcp: "a limit",
  connectUdp: "a limit",
  bindUdp: "a limit",
  seccomp: "the job's profile, by default",
  seccompProfiles: "names for what seccomp_allow names, too",
  denials: "what is recorded",
  blackBox: "what is recorded",
  logMaxFiles: "a limit",
  logMaxFileSize: "a limit",
  history: "a limit",
  usageInterval: "what is recorded",
  metrics: "where the plugin itself is asked for figures",
  exitMessage: "what the agent is told of an end",
  traces: "whether the plugin itself sends what is recorded",
  stateDir: "where the driver keeps its own files",
};
