/**
 * What is told of each fact. Environment values are never part of an event: their
 * keys and a keyed digest are. A new field is required here, and has a line in
 * upcast.ts for the events that lack it.
 */
import { z } from "zod";

/**
 * Marks a field that may hold what its owner would not publish: exports and
 * replays mask it unless they are told otherwise (src/replay/mask.ts).
 * `text` is masked whole, of `listsInText` the lists that stand in it.
 */
const sensitive = <T extends z.ZodType>(schema: T, kind: SensitiveKind): T =>
  schema.meta({ sensitive: kind });
export type SensitiveKind = "text" | "listsInText";

const failedCall = z.object({
  call: z.string(),
  path: z.string().optional(),
  errno: z.string().optional(),
});

/** Which plugin process wrote an event that depends on it. */
const pluginProcess = z.object({ pid: z.number(), version: z.string() });

/** A process that survives the plugin: identified by all three, since pids are reused. */
const processIdentity = z.object({
  pid: z.number(),
  /** Start time in clock ticks since boot: field 22 of proc_pid_stat(5). */
  startTicks: z.number(),
});

/** Lack of memory in the task's cgroup, counted since the task was started in it. */
const outOfMemory = z.object({
  /** Processes that the kernel killed for it. */
  kills: z.number(),
  /** Bytes; null: no limit. */
  limitBytes: z.number().nullable(),
  /** The most that was ever in use, in bytes; null where the kernel does not tell (before Linux 5.19). */
  peakBytes: z.number().nullable(),
});

export const eventSchemas = {
  /** The agent asked for the task. */
  requested: z.object({
    taskName: z.string(),
    allocId: z.string(),
    groupName: z.string(),
    jobId: z.string(),
    jobName: z.string(),
    namespace: z.string(),
    nodeName: z.string(),
    command: z.string(),
    /** A secret may have been interpolated into one. */
    args: sensitive(z.array(z.string()), "text"),
    unveil: z.array(z.string()),
    workDir: z.string().nullable(),
    oomScoreAdj: z.number(),
    /** The other options that the job set, by their names. */
    settings: z.record(z.string(), z.json()),
    user: z.string(),
    envKeys: z.array(z.string()),
    envDigest: z.string(),
    resources: z.object({
      cpuMhz: z.number(),
      memoryMb: z.number(),
      memoryMaxMb: z.number(),
      cpusetCpus: z.string(),
      cgroup: z.string(),
    }),
    network: z.object({
      mode: z.enum(["host", "group", "none"]),
      path: z.string(),
      /** What the allocation is called in its network. */
      self: z.object({ name: z.string(), address: z.string() }).nullable(),
    }),
    extraHosts: z.array(z.string()),
    /** TCP ports that the task may use; null: every one. */
    connectTcp: z.array(z.number()).nullable(),
    bindTcp: z.array(z.number()).nullable(),
    mounts: z.array(
      z.object({
        source: z.string(),
        target: z.string(),
        readOnly: z.boolean(),
        propagation: z.enum(["private", "host-to-task"]),
      }),
    ),
    devices: z.array(
      z.object({ source: z.string(), target: z.string(), read: z.boolean(), write: z.boolean() }),
    ),
    allocDir: z.string(),
    stdoutPath: z.string(),
    stderrPath: z.string(),
    plugin: pluginProcess,
  }),
  /** What the host offered when the task came. */
  fingerprinted: z.object({
    kernel: z.string(),
    arch: z.string(),
    bootId: z.string(),
    landlockAbi: z.number(),
    cgroupControllers: z.array(z.string()),
    mhzPerCore: z.number(),
  }),
  /** Everything is in place for the task to start: limits written, rules laid, plan built. */
  sandboxed: z.object({
    command: z.string(),
    workDir: z.string(),
    user: z.string(),
    uid: z.number(),
    gid: z.number(),
    /** Supplementary ones. */
    groups: z.array(z.number()),
    /** Names of those that the task has; null: none, or all that root has, as it goes with the user. */
    capabilities: z.array(z.string()).nullable(),
    /** Of each process, getrlimit(2); null: no limit. */
    resourceLimits: z.array(
      z.object({ resource: z.string(), soft: z.number().nullable(), hard: z.number().nullable() }),
    ),
    umask: z.number(),
    nice: z.number(),
    /** Of the cgroup. */
    limits: z.array(
      z.object({
        file: z.string(),
        value: z.string(),
        applied: z.boolean(),
        reason: z.string().optional(),
      }),
    ),
    unveiled: z.array(z.object({ path: z.string(), mode: z.string(), source: z.string() })),
    skipped: z.array(z.object({ path: z.string(), reason: z.string() })),
    privateTmp: z.boolean(),
    /** Why `/tmp` is the host's, where it is. */
    sharedTmpReason: z.string().nullable(),
    /** OOM kills that the cgroup had counted before the task was in it. */
    oomKills: z.number(),
    /** Folder of the run's status file and alive FIFO. */
    runFolder: z.string(),
    /**
     * Of a run in the host's pid namespace: the cgroup below the task's that it has to itself, with all
     * processes but its init. Null: it has a pid namespace of its own.
     */
    runCgroup: z.string().nullable(),
    /**
     * PID 1 of the run's pid namespace. It waits for the word to go on, which it gets once this event is
     * committed: from then on the task may run. Null: not known (events of earlier versions).
     */
    init: processIdentity.nullable(),
    /** The launch plan, a line a step, environment values masked. */
    plan: sensitive(z.array(z.string()), "listsInText"),
  }),
  /** `execve` succeeded. */
  started: z.object({ init: processIdentity, task: processIdentity, bootId: z.string() }),
  /** The task could not be started; nothing of it is left. */
  startFailed: z.object({
    code: z.string(),
    /** All of it in words, as the agent was told. */
    message: z.string(),
    /** What was wrong, without call and hint; null: in the message alone (events of earlier versions). */
    summary: z.string().nullable(),
    failed: failedCall.nullable(),
    /** What to do next; null: nobody knows, or it is in the message alone. */
    hint: z.string().nullable(),
    recoverable: z.boolean(),
  }),
  /** A signal that was asked for reached the task's process group, or found it gone. */
  signalled: z.object({ signal: z.number(), delivered: z.boolean() }),
  /** A further command runs in the task. Its arguments are in no event: they may hold secrets. */
  execStarted: z.object({
    /** Counts the commands that were run in the task. */
    exec: z.number(),
    /** Absolute path of its program. */
    command: z.string(),
    user: z.string(),
    terminal: z.boolean(),
    /** Its main process, leader of its session. */
    process: processIdentity,
  }),
  /** It has ended, and so has everything in its session. */
  execExited: z.object({
    exec: z.number(),
    /** The exit code, 128 + signal where a signal ended it, -1 where nobody can know. */
    exitCode: z.number(),
    signal: z.number(),
    /** `ended`: by itself, or with the task. The others: killed, because whoever asked for it went away, and so on. */
    reason: z.enum(["ended", "cancelled", "timedOut", "pluginEnded"]),
  }),
  stopRequested: z.object({ signal: z.number(), timeoutMs: z.number() }),
  /** The task had not ended when its time to stop was over. */
  stopTimedOut: z.object({ timeoutMs: z.number() }),
  destroyRequested: z.object({ force: z.boolean() }),
  /** SIGKILL was sent to the task's main process: its init ends whatever is left of the run. */
  forceKilled: z.object({ reason: z.enum(["stopTimedOut", "destroyRequested"]), delivered: z.boolean() }),
  /** The kernel killed processes of the task for lack of memory, and the task went on. */
  oomSeen: outOfMemory,
  /** The task's main process ended and so did everything in its namespace. */
  exited: z.object({
    /** The exit code, 128 + signal where a signal ended it, -1 where nobody can know. */
    exitCode: z.number(),
    signal: z.number(),
    /** Lack of memory is what ended it. */
    oomKilled: z.boolean(),
    /** Lack of memory while the task ran, whether that ended it or not; null: there was none. */
    oom: outOfMemory.nullable(),
    /** Milliseconds since the epoch, from the status that init recorded. */
    endedAt: z.number(),
    /**
     * `status`: recorded by init, or by an adopted task's witness. `forceKilled`: init had to be killed too.
     * `unknown`: init is gone and recorded nothing. `taskFile`: the Go driver's shim left the code where the
     * task could write it, too.
     */
    source: z.enum(["status", "forceKilled", "unknown", "taskFile"]),
  }),
  /** A task that HashiCorp's Go driver had started was looked for by its handle: what is known of it begins here. */
  adopted: z.object({
    /** The handle's words: its outermost process, and when that was started, in milliseconds since the epoch. */
    handle: z.object({ pid: z.number(), startedAt: z.number() }),
    /** What runs of it; null where that is nothing, or nothing that could be told from something else. */
    found: z
      .object({
        /** PID 1 of its pid namespace. */
        init: processIdentity,
        task: processIdentity,
        uid: z.number(),
        gid: z.number(),
        bootId: z.string(),
      })
      .nullable(),
    /** OOM kills that the cgroup had counted by then. */
    oomKills: z.number(),
    /** Folder of the status file and alive FIFO of its witness. */
    runFolder: z.string(),
    plugin: pluginProcess,
  }),
  /** A new plugin process has taken the running task over. */
  recovered: z.object({ plugin: pluginProcess, found: z.string() }),
  /** Nothing more can be known of the task, and why. */
  lost: z.object({ reason: z.string() }),
  /** The agent is done with the task. */
  destroyed: z.object({}),
} as const;
