/** Steps that many plans have: for descriptors and their files, and for the protection of processes. Pure. */

import { type CapabilityName, capabilitySet } from "../kernel/capabilities.ts";
import * as k from "../kernel/constants.ts";
import { capabilityData, capabilityHeader, defaultAction, openHow } from "../kernel/structs.ts";
import {
  type Argument,
  bytes,
  descriptors,
  type Flags,
  type Flow,
  flags,
  type Hints,
  identityRecord,
  octal,
  place,
  type Step,
} from "./plan.ts";
import { EARLY_ADDRESS, LATE_ADDRESS, LATE_OFFSET, TABLE_ADDRESS, TABLE_BYTES } from "./table.ts";

const { O_RDONLY, O_WRONLY, O_CLOEXEC, O_PATH, AT_FDCWD, HIGHEST_DESCRIPTOR } = k;

/** The folder argument of calls that require one. It has no effect, because all paths are absolute. */
export const anyFolder = flags({ AT_FDCWD });

/** Opens a path. The descriptor gets the lowest free number. `how` has to include `O_CLOEXEC`. */
export function openStep(name: string, path: string, how: Flags, mode = 0): Step {
  return { name, call: "openat", args: [anyFolder, path, how, octal(mode)] };
}

const location = flags({ O_PATH, O_CLOEXEC });

/** Opens a folder with `O_PATH`, only as a location. */
export function openFolderStep(name: string, path: string): Step {
  return openStep(name, path, location);
}

/**
 * Opens a path, and fails if a magic link is in it: openat2(2) with `RESOLVE_NO_MAGICLINKS`.
 * @param how flags by their names, including `O_CLOEXEC`
 * @param withoutLinks whether to fail for any symlink: `RESOLVE_NO_SYMLINKS`
 */
export function openPlainStep(
  name: string,
  path: string,
  how: Readonly<Record<string, number>>,
  withoutLinks = false,
): Step {
  const { value, names } = flags(how);
  const { RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS } = k;
  const resolve = flags(withoutLinks ? { RESOLVE_NO_SYMLINKS } : { RESOLVE_NO_MAGICLINKS });
  const open = openHow({ flags: value, resolve: resolve.value });
  const meaning = `{flags: ${names}, resolve: ${resolve.names}}`;
  return {
    name,
    call: "openat2",
    args: [anyFolder, path, bytes(open, meaning), open.length],
    hints: linkHints,
  };
}

export const linkHints: Hints = {
  ELOOP: (path) => `A symlink was put into ${path} while the task was starting: find out who put it there`,
};

/** Opens a file in the calling process's folder of the plugin's `/proc`. */
function openOwnStep(name: string, file: string, how: Flags): Step {
  return { name, call: "openat", args: [descriptors.hostProc, `self/${file}`, how, 0] };
}

/** Reads the part of the plan's table that did not fit, or was not known, when the process was spawned. */
export function readRestStep(flow?: Flow): Step {
  const rest = TABLE_ADDRESS + TABLE_BYTES - LATE_ADDRESS;
  return {
    name: "read the rest of the plan",
    call: "pread64",
    args: [descriptors.plan, LATE_ADDRESS, rest, LATE_OFFSET],
    ...(flow && { flow }),
  };
}

export function closeScratchStep(name: string): Step {
  return { name, call: "close", args: [descriptors.scratch] };
}

/** close_range(2) for the descriptor `first` and all higher ones. */
export function closeRangeStep(name: string, first: number, how: Flags | 0 = 0): Step {
  return { name, call: "close_range", args: [first, flags({ HIGHEST_DESCRIPTOR }), how] };
}

/** Sets the calling process's oom_score_adj: proc_pid_oom_score_adj(5). */
export function oomScoreAdjSteps(name: string, score: number, flow?: Flow): Step[] {
  const text = new TextEncoder().encode(String(score));
  const content: Argument = bytes(text, JSON.stringify(String(score)));
  return [
    openOwnStep(name, "oom_score_adj", flags({ O_WRONLY, O_CLOEXEC })),
    {
      ...{ name, call: "write", args: [descriptors.scratch, content, text.length], ...(flow && { flow }) },
      hints: { EACCES: "An oom_score_adj below the agent's own needs CAP_SYS_RESOURCE" },
    },
    closeScratchStep(name),
  ];
}

/**
 * Reports the calling process's identity to the plugin: its pid and start time as the plugin's `/proc` shows
 * them. The process has to report itself, because a short task may have been reaped before the plugin could
 * read the task's folder in `/proc`.
 */
export function reportIdentitySteps(name: string): Step[] {
  const { tagBytes, bytes: recordBytes } = identityRecord;
  return [
    openOwnStep(name, "stat", flags({ O_RDONLY, O_CLOEXEC })),
    { name, call: "read", args: [descriptors.scratch, place("identity", tagBytes), recordBytes - tagBytes] },
    { name, call: "write", args: [descriptors.report, place("identity"), recordBytes] },
    closeScratchStep(name),
  ];
}

/**
 * Joins a new session keyring. A process can use the keys of its session keyring whatever its uid, and no
 * process of a task may use the agent's keys.
 */
export function leaveKeyringStep(): Step {
  const { KEYCTL_JOIN_SESSION_KEYRING } = k;
  return {
    name: "leave the agent's keyring",
    call: "keyctl",
    args: [flags({ KEYCTL_JOIN_SESSION_KEYRING }), 0],
    // ENOSYS if the kernel has no keyrings.
    flow: { kind: "tolerateErrors" },
  };
}

/** Unmaps the part of the plan with the task's environment. This also frees memory. */
export function unmapSecretsStep(): Step {
  const size = TABLE_ADDRESS + TABLE_BYTES - EARLY_ADDRESS;
  return { name: "unmap the task's secrets", call: "munmap", args: [EARLY_ADDRESS, size] };
}

/**
 * capset(2). Init needs CAP_KILL to kill the remaining processes of the task. The child's
 * PR_SET_PDEATHSIG(2const) needs CAP_KILL, too: the kernel sends that signal only if the parent may signal the
 * child.
 * @param kept names without `CAP_`; by default what a process needs that only waits from now on
 */
export function dropCapabilitiesStep(kept: readonly CapabilityName[] = ["kill"]): Step {
  const set = capabilitySet(kept);
  const names = kept.map((name) => `CAP_${name.toUpperCase()}`).join("|") || "no capability";
  const header = bytes(capabilityHeader(), "{version: 3, pid: 0}");
  const data = capabilityData({ effective: set, permitted: set, inheritable: 0n });
  const meaning = `{effective: ${names}, permitted: ${names}, inheritable: 0}`;
  return { name: `keep only ${names}`, call: "capset", args: [header, bytes(data, meaning)] };
}

/**
 * PR_SET_DUMPABLE(2const): no core dump shows the plan with the task's environment, and no process without
 * CAP_SYS_PTRACE looks into this process. Lasts until execve(2), also in children.
 */
export function notDumpableStep(): Step {
  const { PR_SET_DUMPABLE } = k;
  return { name: "forbid dumps and tracing", call: "prctl", args: [flags({ PR_SET_DUMPABLE }), 0, 0, 0, 0] };
}

/**
 * PR_SET_PDEATHSIG(2const): SIGKILL when the parent ends. Does nothing if the parent has ended already:
 * {@link endWithoutPluginStep}.
 */
export function endWithParentStep(name: string): Step {
  const { PR_SET_PDEATHSIG, SIGKILL } = k;
  return { name, call: "prctl", args: [flags({ PR_SET_PDEATHSIG }), flags({ SIGKILL })] };
}

/**
 * Ends a process whose plugin has ended: SIGPIPE, because only the plugin reads the report. The process repeats
 * its identity, so it must have reported it before.
 */
export function endWithoutPluginStep(name: string): Step {
  return { name, call: "write", args: [descriptors.report, place("identity"), identityRecord.bytes] };
}

/**
 * The default action for SIGCHLD: rt_sigaction(2).
 * @param how 0, or `SA_NOCLDWAIT`: the kernel then reaps children
 */
export function childActionStep(name: string, how: number): Step {
  const { SIGCHLD } = k;
  const action = defaultAction(how);
  const meaning = `{sa_handler: SIG_DFL, sa_flags: ${how === 0 ? 0 : "SA_NOCLDWAIT"}}`;
  return { name, call: "rt_sigaction", args: [flags({ SIGCHLD }), bytes(action, meaning), 0, 8] };
}

/** The descriptor of the pipe at whose end the plan's process ends. */
export const hold = descriptors.report + 1;

/** The last steps of a plan that makes a namespace for the plugin (heldNamespace.ts). */
export function holdSteps(): Step[] {
  const name = "let the plugin open it";
  return [
    // The end of the report without an error tells the plugin that the namespace is made.
    { name, call: "close", args: [descriptors.report] },
    { name, call: "read", args: [hold, place("waitStatus"), 1] },
    { name: "end", call: "exit_group", args: [0] },
  ];
}
