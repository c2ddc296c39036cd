/**
 * The plans of a debugging session: a program of the host's, or of a folder of tools, in the pid, network, ipc and uts
 * namespaces of a task, but outside its sandbox and its cgroup. Pure.
 *
 * The program gets a mount namespace of its own, whose root is made of the entries of the tools' root, with a /proc of
 * the task's pid namespace, and with the task's root at /task. There no link is followed, nothing is executed or mapped
 * as code, and no device or set-user-ID bit counts: what the task has put there has no power over the program.
 */
import { executeStep, type Program } from "../command/commandSteps.ts";
import * as k from "../kernel/constants.ts";
import { cloneArgs, mountAttr, pollDescriptor } from "../kernel/structs.ts";
import {
  anyFolder,
  closeRangeStep,
  dropCapabilitiesStep,
  endWithParentStep,
  leaveKeyringStep,
  notDumpableStep,
  readRestStep,
} from "../plan/commonSteps.ts";
import {
  bytes,
  descriptors,
  flags,
  identityRecord,
  noSteps,
  octal,
  place,
  type Step,
  type WholePlan,
} from "../plan/plan.ts";
import { copyTreeSteps, mountStep } from "../root/treeSteps.ts";
import { type Identity, identitySteps } from "../users/identitySteps.ts";

/** An entry of the root that the program gets. */
export type ToolEntry =
  | { readonly name: string; readonly kind: "folder" | "file"; readonly source: string }
  | { readonly name: string; readonly kind: "link"; readonly target: string };

export interface DebugInput extends Program {
  readonly entries: readonly ToolEntry[];
  /** Undefined for root with all its rights. */
  readonly user: Identity | undefined;
}

const { stdin, stdout, stderr, report } = descriptors;
const inherited = {
  ...{ stdin, stdout, stderr },
  /** Pidfd of the task's init. */
  init: report + 1,
  /** The folder of the cgroup that the program starts in. */
  cgroup: report + 2,
  /** Pipe to which the waiting process writes the raw wait status. */
  status: report + 3,
};
const { init, cgroup, status } = inherited;
const ownMounts = status + 1;
const taskTree = ownMounts + 1;
const firstTool = taskTree + 1;

/** What the new root is mounted over while it is made. It gets a /proc of another pid namespace in any case. */
const MAKING = "/proc";

/** @throws DriverError `USER_FORBIDDEN` for a uid or gid that the kernel would not set */
export function buildDebugPlan(input: DebugInput): WholePlan<keyof typeof inherited> {
  return {
    initName: "exec2-debug",
    inherited,
    outlivesPlugin: false,
    // The program has the caller's terminal.
    session: "callers",
    steps: { ...noSteps, parent: parentSteps(input), task: programSteps(input), supervise: waitSteps },
  };
}

const rootName = "make the root of the program";
const taskRoot = "open the task's root";

function parentSteps({ entries }: DebugInput): Step[] {
  const { CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_INTO_CGROUP } = k;
  const { O_RDONLY, O_CLOEXEC, MS_REC, MS_SLAVE, MS_NOSUID, MS_NODEV, MNT_DETACH } = k;
  const namespaces = flags({ CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET });
  const clone = cloneArgs({ flags: CLONE_INTO_CGROUP, exitSignal: k.SIGCHLD, cgroup });
  return [
    endWithParentStep("end with the caller"),
    // Ctrl-C is for the program, which has the caller's terminal.
    signalMaskStep("leave signals to the program", SIG_BLOCK),
    notDumpableStep(),
    leaveKeyringStep(),
    closeRangeStep("close inherited descriptors", ownMounts),
    {
      name: taskRoot,
      call: "openat",
      args: [anyFolder, "/proc/self/ns/mnt", flags({ O_RDONLY, O_CLOEXEC }), 0],
    },
    { name: taskRoot, call: "setns", args: [init, flags({ CLONE_NEWNS })] },
    { name: taskRoot, call: "open_tree", args: [anyFolder, "/", wholeTree] },
    {
      name: taskRoot,
      call: "mount_setattr",
      args: [taskTree, "", recursively, powerless, powerless.bytes.length],
    },
    { name: taskRoot, call: "setns", args: [ownMounts, flags({ CLONE_NEWNS })] },
    { name: rootName, call: "unshare", args: [flags({ CLONE_NEWNS })] },
    { name: rootName, call: "mount", args: ["none", "/", 0, flags({ MS_REC, MS_SLAVE }), 0] },
    ...bound(entries).flatMap(({ source }, index) =>
      copyTreeSteps(rootName, toolTree(source), firstTool + index),
    ),
    {
      name: rootName,
      call: "mount",
      args: ["exec2", MAKING, "tmpfs", flags({ MS_NOSUID, MS_NODEV }), "size=1m,mode=755"],
    },
    ...entries.flatMap(entrySteps),
    ...bound(entries).map(({ name }, index) => mountStep(rootName, firstTool + index, `${MAKING}/${name}`)),
    folderStep("proc"),
    folderStep("task"),
    mountStep("mount the task's root", taskTree, `${MAKING}/task`),
    { name: rootName, call: "chdir", args: [MAKING] },
    { name: rootName, call: "pivot_root", args: [".", "."] },
    { name: rootName, call: "umount2", args: [".", flags({ MNT_DETACH })] },
    { name: rootName, call: "chdir", args: ["/"] },
    { name: "join the task's namespaces", call: "setns", args: [init, namespaces] },
    readRestStep(),
    {
      name: "fork into the task's namespaces",
      call: "clone3",
      args: [
        bytes(clone, `{flags: CLONE_INTO_CGROUP, exit_signal: SIGCHLD, cgroup: ${cgroup}}`),
        clone.length,
      ],
      flow: { kind: "fork", child: "task", parent: "supervise" },
    },
  ];
}

function programSteps({ user, ...program }: DebugInput): Step[] {
  const { MS_NOSUID, MS_NODEV, MS_NOEXEC, CLOSE_RANGE_CLOEXEC, PR_SET_NO_NEW_PRIVS } = k;
  const mountFlags = flags({ MS_NOSUID, MS_NODEV, MS_NOEXEC });
  return [
    { name: "mount /proc", call: "mount", args: ["proc", "/proc", "proc", mountFlags, 0] },
    ...(user === undefined
      ? []
      : [
          ...identitySteps(user),
          {
            name: "set no_new_privs",
            call: "prctl",
            args: [flags({ PR_SET_NO_NEW_PRIVS }), 1, 0, 0, 0],
          } as const,
        ]),
    // After the change of uid, because that change clears the signal.
    endWithParentStep("end with the process that waits"),
    signalMaskStep("take signals", SIG_UNBLOCK),
    closeRangeStep("hide descriptors", stderr + 1, flags({ CLOSE_RANGE_CLOEXEC })),
    executeStep(program),
  ];
}

const ONLY_CHILD = -1;
const STATUS_BYTES = 4;
const waitSteps: readonly Step[] = [
  { name: "close the program's descriptors", call: "close_range", args: [0, status - 1, 0] },
  closeRangeStep("close the mounts", ownMounts),
  dropCapabilitiesStep(),
  { name: "wait for the program", call: "wait4", args: [ONLY_CHILD, place("waitStatus"), 0, 0] },
  { name: "report the wait status", call: "write", args: [status, place("waitStatus"), STATUS_BYTES] },
  { name: "exit", call: "exit_group", args: [0] },
];

const { OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC, AT_RECURSIVE, AT_EMPTY_PATH, MS_PRIVATE, MS_SLAVE } = k;
const { MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSYMFOLLOW } = k;
const wholeTree = flags({ OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC, AT_RECURSIVE });
const recursively = flags({ AT_EMPTY_PATH, AT_RECURSIVE });
const withoutPower = flags({
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSYMFOLLOW,
});
const powerless = bytes(
  mountAttr(withoutPower.value, MS_PRIVATE),
  `{attr_set: ${withoutPower.names}, propagation: MS_PRIVATE}`,
);

function bound(entries: readonly ToolEntry[]) {
  return entries.filter((entry) => entry.kind !== "link");
}

function toolTree(source: string) {
  return { source, followSource: false, attributes: flags({}), propagation: flags({ MS_SLAVE }) };
}

function entrySteps(entry: ToolEntry): Step {
  const path = `${MAKING}/${entry.name}`;
  if (entry.kind === "folder") return folderStep(entry.name);
  return entry.kind === "link"
    ? { name: rootName, call: "symlinkat", args: [entry.target, anyFolder, path] }
    : { name: rootName, call: "mknodat", args: [anyFolder, path, octal(k.S_IFREG | 0o644), 0] };
}

function folderStep(name: string): Step {
  return { name: rootName, call: "mkdirat", args: [anyFolder, `${MAKING}/${name}`, octal(0o755)] };
}

/** `asm-generic/signal-defs.h` */
const SIG_BLOCK = 0;
const SIG_UNBLOCK = 1;

/** rt_sigprocmask(2) for all signals. */
function signalMaskStep(name: string, how: number): Step {
  const all = bytes(new Uint8Array(8).fill(0xff), "every signal");
  return { name, call: "rt_sigprocmask", args: [how, all, 0, 8] };
}

const watched = {
  /** Pipe whose other end the caller has. */
  caller: report + 1,
  /** The session's `cgroup.kill` and `cgroup.events`, and the folder around its cgroup. */
  killSwitch: report + 2,
  events: report + 3,
  around: report + 4,
};

/**
 * The plan of a process that outlives its caller for a moment: it kills what is left of the session, wherever that has
 * gone in the task's pid namespace, and removes the session's cgroup.
 */
export function buildEndPlan(cgroupName: string): WholePlan<keyof typeof watched> {
  const { AT_REMOVEDIR, POLLPRI } = k;
  const poll = bytes(pollDescriptor(watched.events, POLLPRI), `{fd: ${watched.events}, events: POLLPRI}`);
  const tolerate = { kind: "tolerateErrors" } as const;
  const second = bytes(new Uint8Array(new BigInt64Array([1n, 0n]).buffer), "{tv_sec: 1}");
  return {
    initName: "exec2-debug: ends with its caller",
    inherited: watched,
    outlivesPlugin: false,
    steps: {
      ...noSteps,
      parent: [
        closeRangeStep("close inherited descriptors", watched.around + 1),
        { name: "let the caller go on", call: "close", args: [report] },
        {
          name: "wait for the caller's end",
          call: "read",
          args: [watched.caller, place("waitStatus"), 1],
          flow: tolerate,
        },
        // poll(2) tells of changes since the last read only.
        {
          name: "wait until it is gone",
          call: "read",
          args: [watched.events, place("identity"), identityRecord.bytes],
          flow: tolerate,
        },
        {
          name: "kill the session",
          call: "write",
          args: [watched.killSwitch, bytes(new Uint8Array([0x31]), '"1"'), 1],
          flow: tolerate,
        },
        { name: "wait until it is gone", call: "ppoll", args: [poll, 1, second, 0, 0], flow: tolerate },
        {
          name: "remove its cgroup",
          call: "unlinkat",
          args: [watched.around, cgroupName, flags({ AT_REMOVEDIR })],
          flow: tolerate,
        },
        { name: "end", call: "exit_group", args: [0] },
      ],
    },
  };
}
