/** Events from the request to the running task, or to a failed start. Pure. */

import { z } from "zod";
import { groupedBy } from "../../base/groupedBy.ts";
import { recordedDestination } from "../../effects/logs/destination.ts";
import { isAtOrBelow } from "../../effects/paths/paths.ts";
import { formatBytes } from "../../units/sizes.ts";
import { defineEvent, type EventMessage, MASK } from "./defineEvent.ts";
import { missingNames, type NameHistory, nameText, resolvedName, withNames } from "./names.ts";
import { outputPositions, pluginProcess, processIdentity } from "./shared.ts";

/** The agent requested the task. */
const requested = defineEvent({
  schema: z.object({
    taskName: z.string(),
    allocId: z.string(),
    groupName: z.string(),
    /** The allocation's number among those of its group, from 0; null if the agent did not tell it. */
    allocIndex: z.int().nonnegative().nullable(),
    jobId: z.string(),
    jobName: z.string(),
    namespace: z.string(),
    nodeName: z.string(),
    /** The task's options, by their names in job files. Other options than these two have their defaults if left out. */
    options: z
      .object({
        command: z.string(),
        /** A job may interpolate secrets into these. */
        args: z.array(z.string()),
      })
      .catchall(z.json()),
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
      /** The allocation's host name and address. */
      self: z.object({ name: z.string(), address: z.string() }).nullable(),
    }),
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
    ...recordedDestination,
    plugin: pluginProcess,
  }),
  // A failed start may be requested again: nothing of the first attempt stays.
  evolve: ({ data }) => ({ request: data, host: null, sandbox: null, names: [], failure: null }),
  title: "Start requested",
  summary: ({ options: { command, args }, user, resources }) => {
    const memory = resources.memoryMb > 0 ? `, ${resources.memoryMb} MiB` : "";
    const cpu = resources.cpusetCpus ? `, cores ${resources.cpusetCpus}` : `, ${resources.cpuMhz} MHz`;
    return `${commandLine([command, ...args])} as ${user || "the default user"}${cpu}${memory}`;
  },
  shown: { tone: "plain", category: "input", group: "opens", parties: ["agent", "driver"] },
  fields: {
    ignored: [
      ...(["allocId", "allocIndex", "envDigest", "resources.cgroup", "network.path"] as const),
      ...(["network.self", "allocDir", "stdoutPath", "stderrPath", "plugin.pid"] as const),
    ],
    masked: { "options.args": "text", "options.stop_command": "text" },
  },
});

/** What the host offered when the task was requested. */
const fingerprinted = defineEvent({
  schema: z.object({
    kernel: z.string(),
    arch: z.string(),
    bootId: z.string(),
    landlockAbi: z.number(),
    cgroupControllers: z.array(z.string()),
    mhzPerCore: z.number(),
  }),
  evolve: ({ data }) => ({ host: data }),
  title: "Host inspected",
  summary: ({ kernel, arch, landlockAbi, cgroupControllers }) => {
    const controllers = cgroupControllers.length > 0 ? cgroupControllers.join(" ") : "no cgroup controllers";
    return `Linux ${kernel} on ${arch}, Landlock ABI ${landlockAbi}, ${controllers}`;
  },
  shown: { tone: "plain", category: "input", group: "continues", parties: ["driver", "driver"] },
  fields: { ignored: ["bootId"], masked: {} },
});

/** Everything is in place for the task to start: limits are written, rules added, the plan is built. */
const sandboxed = defineEvent({
  schema: z.object({
    command: z.string(),
    workDir: z.string(),
    user: z.string(),
    uid: z.number(),
    gid: z.number(),
    /** Supplementary groups. */
    groups: z.array(z.number()),
    /** Names of the task's capabilities. Null means those of its user: all for root, none for others. */
    capabilities: z.array(z.string()).nullable(),
    /** Limits of each process, getrlimit(2); null: no limit. */
    resourceLimits: z.array(
      z.object({ resource: z.string(), soft: z.number().nullable(), hard: z.number().nullable() }),
    ),
    umask: z.number(),
    nice: z.number(),
    /**
     * The system calls that the task may make: a profile and its exceptions, which are allowed or refused
     * calls. Null: every call, because the kernel has no filters.
     */
    seccomp: z
      .object({ profile: z.string(), allow: z.array(z.string()), deny: z.array(z.string()) })
      .nullable(),
    /**
     * Where the task may connect: its option `egress`, or the plugin's; null in `allowed` means everywhere but
     * what `denied` has. `names` has the addresses of the names in `allowed`. Null: nothing restricts it.
     */
    egress: z
      .object({
        allowed: z.array(z.string()).nullable(),
        denied: z.array(z.string()),
        names: z.array(resolvedName),
      })
      .nullable(),
    /**
     * The limit on what the task writes to its own folders, and the projects (project quotas) of these and of the
     * allocation's shared folder. Missing without a limit.
     */
    disk: z.object({ limitBytes: z.number(), project: z.number(), sharedProject: z.number() }).optional(),
    /**
     * Limits as they were written to files of the cgroup. A limit that could not be applied has the reason:
     * the cgroup lacks its controller, the kernel has no filter of system calls, or the file system no project quotas.
     */
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
    /** What the task sees at `/`: a root of its own, or the host's tree. */
    root: z.enum(["private", "host"]),
    privateTmp: z.boolean(),
    /** Why the task sees the host's `/tmp`; null if it has its own. */
    sharedTmpReason: z.string().nullable(),
    /** Why denials of the sandbox are not recorded; null if they are. */
    unrecordedDenials: z.string().nullable(),
    /** OOM kills that the cgroup counted before the task started. */
    oomKills: z.number(),
    /** Where the run's output begins in its log files; null without logs. Restarts append to the same files. */
    output: outputPositions.nullable(),
    /** Folder of the run's status file and alive FIFO. */
    runFolder: z.string(),
    /**
     * The run's own cgroup below the task's, for a run in the host's pid namespace. It holds all processes of
     * the run but its init. Null: the run has its own pid namespace.
     */
    runCgroup: z.string().nullable(),
    /** PID 1 of the run's pid namespace. It starts the task only after the driver has committed this event. */
    init: processIdentity,
    /** The launch plan: one line per step, environment values masked. */
    plan: z.array(z.string()),
  }),
  evolve: ({ data, time }): { sandbox: typeof data; names: NameHistory[] } => ({
    sandbox: data,
    names: withNames([], data.egress?.names ?? [], time),
  }),
  title: "Sandbox prepared",
  summary: ({ uid, unveiled, skipped, limits, root, privateTmp, runCgroup, seccomp, egress, disk }) => {
    const applied = limits.filter((limit) => limit.applied).map(({ file, value }) => `${file}=${value}`);
    const missing = limits.filter((limit) => !limit.applied).map(({ file }) => file);
    return [
      `uid ${uid}, ${unveiled.length} ${unveiled.length === 1 ? "path" : "paths"} unveiled${skipped.length > 0 ? ` (${skipped.length} not there)` : ""}`,
      ...(root === "private" ? ["its own root"] : []),
      tmpText({ privateTmp, root, unveiled }),
      ...(runCgroup === null ? [] : ["in the host's pid namespace"]),
      ...profileText(seccomp),
      ...egressText(egress),
      ...(disk === undefined ? [] : [`${formatBytes(disk.limitBytes)} of disk`]),
      ...(applied.length > 0 ? [applied.join(" ")] : []),
      ...(missing.length > 0 ? [`not limited: ${missing.join(" ")}`] : []),
    ].join(", ");
  },
  shown: { tone: "plain", category: "input", group: "continues", parties: ["driver", "driver"] },
  fields: {
    ignored: [
      "uid",
      "gid",
      "egress.names",
      "disk.project",
      "disk.sharedProject",
      "oomKills",
      "output",
      "runFolder",
      "init",
      "plan",
    ],
    masked: { plan: "listsInText" },
  },
});

type Limits = z.infer<typeof sandboxed.schema>["limits"];

/** The part of the context that the message about a start reads. */
export interface Begun {
  readonly sandbox: { readonly limits: Limits } | null;
  readonly names: readonly NameHistory[];
}

/** `execve` has succeeded. */
const started = defineEvent({
  schema: z.object({ init: processIdentity, task: processIdentity, bootId: z.string() }),
  evolve: ({ data, time }) => ({ process: data, startedAt: time }),
  title: "Running",
  summary: ({ task, init }) => `pid ${task.pid}, below its init ${init.pid}`,
  message: (_, { sandbox, names }: Begun) => {
    const told = [missingLimits(sandbox?.limits ?? []), missingNames(names)].filter(
      (each) => each !== undefined,
    );
    if (told.length === 0) return undefined;
    return {
      text: told.map(({ text }) => text).join(". "),
      annotations: Object.assign({}, ...told.map(({ annotations }) => annotations)),
    };
  },
  shown: { tone: "good", category: "start", group: "closes", parties: ["driver", "task"] },
  fields: { ignored: ["init", "task", "bootId"], masked: {} },
});

const failedCall = z.object({
  call: z.string(),
  path: z.string().optional(),
  errno: z.string().optional(),
});

/** The start failed and left nothing behind. */
const startFailed = defineEvent({
  schema: z.object({
    code: z.string(),
    /** The whole error in words, as the agent gets it. */
    message: z.string(),
    /** What was wrong, without call and hint. */
    summary: z.string(),
    failed: failedCall.nullable(),
    /** What to do next; null if there is no hint. */
    hint: z.string().nullable(),
    recoverable: z.boolean(),
  }),
  evolve: ({ data }) => ({ failure: data }),
  title: "Start failed",
  summary: ({ message, recoverable }) => `${message}${recoverable ? " (may be tried again)" : ""}`,
  shown: { tone: "wrong", category: "start", group: "closes", parties: ["driver", "driver"] },
  fields: { ignored: [], masked: {} },
});

export const starting = { requested, fingerprinted, sandboxed, started, startFailed };

/** Whether some of a task's limits are not enforced. */
export function lacksLimits({ limits }: { readonly limits: Limits }): boolean {
  return limits.some(({ applied }) => !applied);
}

/** One message for all limits that the host could not enforce, grouped by reason. */
function missingLimits(limits: Limits): EventMessage | undefined {
  if (!lacksLimits({ limits })) return undefined;
  const missing = limits.filter(({ applied }) => !applied);
  const byReason = groupedBy(missing, ({ reason = "the reason is unknown" }) => reason);
  const reasons = [...byReason].map(([reason, files]) => `${filesOf(files)} (${reason})`);
  return { text: `Runs without ${reasons.join(", ")}`, annotations: { not_limited: filesOf(missing) } };
}

function filesOf(limits: Limits): string {
  return limits.map(({ file }) => file).join(", ");
}

/** Whether anything of the host's `/tmp` is there for a task without a `/tmp` of its own. */
export function showsHostTmp({ root, unveiled }: TmpPlace): boolean {
  return root === "host" || unveiled.some(({ path }) => isAtOrBelow(path, "/tmp"));
}

interface TmpPlace {
  readonly root: "private" | "host";
  readonly unveiled: readonly { readonly path: string }[];
}

/** The summary's words on `/tmp`. */
function tmpText({ privateTmp, ...place }: TmpPlace & { readonly privateTmp: boolean }): string {
  if (privateTmp) return "its own /tmp";
  return showsHostTmp(place) ? "the host's /tmp" : "no /tmp";
}

/** The summary's words on the filter of system calls; none for the unchanged default profile. */
function profileText(seccomp: { profile: string; allow: string[]; deny: string[] } | null): string[] {
  if (seccomp === null) return [];
  const { profile, allow, deny } = seccomp;
  const words = [profile, ...allow.map((name) => `+${name}`), ...deny.map((name) => `-${name}`)];
  return words.length === 1 && profile === "default" ? [] : [`system calls: ${words.join(" ")}`];
}

/** The summary's words on where the task may connect; none if nothing restricts it. */
function egressText(
  egress: {
    allowed: string[] | null;
    names: { name: string; addresses: string[]; problem: string | null }[];
  } | null,
): string[] {
  if (egress === null || egress.allowed === null) return [];
  const { allowed, names } = egress;
  const unknown = names.filter(({ addresses }) => addresses.length === 0);
  return [
    `connects to ${allowed.length === 0 ? "nothing but loopback" : allowed.join(" ")}`,
    ...unknown.map(nameText),
  ];
}

/** A command in shell syntax, on one line, cut to 120 characters. */
function commandLine(words: readonly string[]): string {
  const line = words.map((word) => (isPlain(word) ? word : JSON.stringify(word))).join(" ");
  return line.length > 120 ? `${line.slice(0, 119)}…` : line;
}

/** Whether a word needs no quotes. */
function isPlain(word: string): boolean {
  return word === MASK || /^[\w@%+=:,./-]+$/.test(word);
}
