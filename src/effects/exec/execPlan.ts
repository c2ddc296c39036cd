/**
 * The plan that runs another command in a running task. The process joins the task's namespaces, starts in a
 * cgroup of its own below the task's, and drops the same privileges as the task's own process. Pure.
 *
 * The process of phase `parent` joins the namespaces and forks. In phase `supervise` it then waits for its
 * child, the command. The waiting process stays in the plugin's pid namespace, so that it survives the task's
 * end and can report the command's end. Neither process outlives the plugin.
 */
import { newCgroupHints } from "../cgroup/runCgroupSteps.ts";
import * as k from "../kernel/constants.ts";
import { cloneArgs } from "../kernel/structs.ts";
import type { TaskProcess } from "../launch/taskSteps.ts";
import { taskSteps } from "../launch/taskSteps.ts";
import {
  closeRangeStep,
  dropCapabilitiesStep,
  endWithoutPluginStep,
  endWithParentStep,
  leaveKeyringStep,
  notDumpableStep,
  openFolderStep,
  readRestStep,
  unmapSecretsStep,
} from "../plan/commonSteps.ts";
import {
  bytes,
  type Descriptors,
  descriptors,
  flags,
  noSteps,
  octal,
  place,
  type Step,
  type WholePlan,
} from "../plan/plan.ts";
import type { CommandCgroup } from "./commandCgroup.ts";

export interface ExecInput extends TaskProcess {
  /** `argv[0]` of the process that waits for the command. It names the task, for people who use `ps`. */
  readonly waiterName: string;
  /** The cgroup to create for the command. */
  readonly cgroup: CommandCgroup;
}

const { stdin, stdout, stderr, ruleset, hostProc } = descriptors;
const inherited = {
  stdin,
  stdout,
  stderr,
  ruleset,
  /** Pidfd of the task's init, whose namespaces are joined. */
  init: ruleset + 1,
  /**
   * Pipe to which the waiting process writes the command's raw wait status. The pipe is closed when that
   * process exits.
   */
  status: hostProc + 1,
};
const { init, status } = inherited;
/** Descriptor of the command's cgroup. */
const cgroupFolder = status + 1;
/** Descriptor of the root of a terminal's file system. */
const devpts = cgroupFolder + 1;

/**
 * Builds the plan for a command without a terminal.
 * @throws DriverError `USER_FORBIDDEN` for a uid or gid that the kernel would not set
 */
export function buildExecPlan(input: ExecInput): WholePlan<keyof typeof inherited> {
  return planOf(input, inherited, { terminal: false });
}

/**
 * Builds the plan for a command whose standard streams are a terminal, which becomes the controlling terminal
 * of its session. The command gets a mount namespace of its own: the task's, with the terminal's file system
 * at /dev/pts.
 * @throws as {@link buildExecPlan} does
 */
export function buildTerminalExecPlan(input: ExecInput): WholePlan<keyof typeof inherited | "devpts"> {
  return planOf(input, { ...inherited, devpts }, { terminal: true });
}

function planOf<Name extends string>(
  input: ExecInput,
  inherited: Descriptors<Name>,
  { terminal }: { readonly terminal: boolean },
): WholePlan<Name> {
  return {
    initName: input.waiterName,
    inherited,
    outlivesPlugin: false,
    steps: {
      ...noSteps,
      parent: parentSteps(input, terminal),
      task: taskSteps(input, {
        inSession: terminal ? [controllingTerminalStep()] : [],
        // After the change of uid, because that change clears the parent-death signal.
        asUser: [
          endWithParentStep("end with the process that waits"),
          // If the plugin has ended before, the process that waits may have, too. If it ends later, that process
          // ends after this one has asked for the signal.
          endWithoutPluginStep("end without the plugin"),
        ],
      }),
      supervise: superviseSteps(),
    },
  };
}

function parentSteps({ cgroup }: ExecInput, terminal: boolean): Step[] {
  const { PR_SET_NAME, CLONE_INTO_CGROUP } = k;
  const { CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET } = k;
  const namespaces = flags({ CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET });
  const clone = cloneArgs({ flags: CLONE_INTO_CGROUP, exitSignal: k.SIGCHLD, cgroup: cgroupFolder });
  const cloneMeaning = `{flags: CLONE_INTO_CGROUP, exit_signal: SIGCHLD, cgroup: ${cgroupFolder}}`;
  return [
    endWithParentStep("end with the plugin"),
    { name: "name the waiting process", call: "prctl", args: [flags({ PR_SET_NAME }), "exec2-exec"] },
    notDumpableStep(),
    leaveKeyringStep(),
    // The agent may have left descriptors open.
    {
      name: "close inherited descriptors",
      call: "close",
      args: [hostProc],
      flow: { kind: "tolerateErrors" },
    },
    ...(terminal
      ? [
          {
            name: "close inherited descriptors",
            call: "close",
            args: [cgroupFolder],
            flow: { kind: "tolerateErrors" },
          } as const,
          closeRangeStep("close inherited descriptors", devpts + 1),
        ]
      : [closeRangeStep("close inherited descriptors", cgroupFolder)]),
    // These paths are opened before the process joins the mount namespace, where the task's mounts may hide
    // them.
    openFolderStep("open the plugin's /proc", "/proc"),
    ...cgroupSteps(cgroup, terminal ? devpts + 1 : cgroupFolder + 1),
    { name: "join the task's namespaces", call: "setns", args: [init, namespaces] },
    ...(terminal ? ownTerminalsSteps() : []),
    readRestStep(),
    {
      name: "fork into the task",
      call: "clone3",
      args: [bytes(clone, cloneMeaning), clone.length],
      flow: { kind: "fork", child: "task", parent: "supervise" },
    },
  ];
}

/**
 * Creates the command's cgroup and opens it. No controllers are enabled in the cgroup, so the task's limits
 * apply.
 * @param opened the lowest free descriptor
 */
function cgroupSteps({ parent, name: folder }: CommandCgroup, opened: number): Step[] {
  const { O_PATH, O_CLOEXEC } = k;
  const name = "create the command's cgroup";
  return [
    openFolderStep(name, parent),
    { name, call: "mkdirat", args: [cgroupFolder, folder, octal(0o755)], hints: newCgroupHints },
    { name, call: "openat", args: [cgroupFolder, folder, flags({ O_PATH, O_CLOEXEC }), 0] },
    { name, call: "dup3", args: [opened, cgroupFolder, flags({ O_CLOEXEC })] },
    { name, call: "close", args: [opened] },
  ];
}

/** The copy of the task's mounts stays a slave of the host's. */
function ownTerminalsSteps(): Step[] {
  const { CLONE_NEWNS, AT_FDCWD, MOVE_MOUNT_F_EMPTY_PATH } = k;
  const name = "mount the terminal's file system";
  return [
    { name, call: "unshare", args: [flags({ CLONE_NEWNS })] },
    {
      name,
      call: "move_mount",
      args: [devpts, "", flags({ AT_FDCWD }), "/dev/pts", flags({ MOVE_MOUNT_F_EMPTY_PATH })],
      // Fails if the task's root has no such folder. The terminal then has no path in the task.
      flow: { kind: "tolerateErrors" },
    },
    { name, call: "close", args: [devpts] },
  ];
}

function superviseSteps(): Step[] {
  const ONLY_CHILD = -1;
  const STATUS_BYTES = 4;
  return [
    // The reader of the command's pipes waits until every writer has closed them.
    { name: "close the command's descriptors", call: "close_range", args: [0, status - 1, 0] },
    closeRangeStep("close the cgroup's folder", cgroupFolder),
    unmapSecretsStep(),
    dropCapabilitiesStep(),
    { name: "wait for the command", call: "wait4", args: [ONLY_CHILD, place("waitStatus"), 0, 0] },
    { name: "report the wait status", call: "write", args: [status, place("waitStatus"), STATUS_BYTES] },
    { name: "exit", call: "exit_group", args: [0] },
  ];
}

/** ioctl_tty(2). The call succeeds because the session leader has no controlling terminal yet. */
function controllingTerminalStep(): Step {
  const { TIOCSCTTY } = k;
  return {
    name: "set the controlling terminal",
    call: "ioctl",
    args: [stdin, flags({ TIOCSCTTY }), 0],
  };
}
