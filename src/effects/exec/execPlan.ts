/**
 * The plan that runs a further command in a task that runs already: the process
 * joins the task's namespaces and cgroup, and gives up what the task's own
 * process has given up. Pure.
 *
 * `parent` joins and forks, then waits as `supervise` for the command, whose
 * parent it stays: in the plugin's own pid namespace, so that it survives the
 * task's end and can tell of it. Neither outlives the plugin.
 */
import * as k from "../kernel/constants.ts";
import { cloneArgs } from "../kernel/structs.ts";
import type { TaskProcess } from "../launch/launchInput.ts";
import { bytes, descriptors, flags, noSteps, place, type Step, type WholePlan } from "../launch/plan.ts";
import { closeRangeStep, openFolderStep } from "../launch/steps/fileSteps.ts";
import { forgetSecretsStep } from "../launch/steps/superviseSteps.ts";
import { taskSteps } from "../launch/steps/taskSteps.ts";
import { LATE_ADDRESS, LATE_OFFSET, TABLE_ADDRESS, TABLE_BYTES } from "../launch/table.ts";

export interface ExecInput extends TaskProcess {
  /** First argument of the process that waits for the command, so that `ps` shows whose it is. */
  readonly waiterName: string;
  /** Absolute path of the cgroup that the task's processes are in. */
  readonly cgroup: string;
  /** Whether the standard input is a terminal, to become the controlling one of the command's session. */
  readonly terminal: boolean;
}

const { stdin, stdout, stderr, ruleset, hostProc } = descriptors;
const finds = {
  stdin,
  stdout,
  stderr,
  ruleset,
  /** Pidfd of the task's init, whose namespaces are joined. */
  init: ruleset + 1,
  /** Pipe that gets the command's raw wait status, and ends with the process that waits. */
  status: hostProc + 1,
};
const { init, status } = finds;
/** The cgroup's folder, once it is open. */
const cgroupFolder = status + 1;

/** @throws DriverError `USER_FORBIDDEN` for a uid or gid that the kernel would not set */
export function buildExecPlan(input: ExecInput): WholePlan<keyof typeof finds> {
  return {
    initName: input.waiterName,
    finds,
    outlivesPlugin: false,
    steps: {
      ...noSteps,
      parent: parentSteps(input),
      task: taskSteps(input, {
        inSession: input.terminal ? [controllingTerminalStep()] : [],
        // Not earlier: the change of uid would undo it.
        asUser: [endWithParentStep("end with the process that waits")],
      }),
      supervise: superviseSteps(),
    },
  };
}

function parentSteps({ cgroup }: ExecInput): Step[] {
  const { PR_SET_NAME, KEYCTL_JOIN_SESSION_KEYRING, CLONE_INTO_CGROUP } = k;
  const { CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET } = k;
  const namespaces = flags({ CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET });
  const clone = cloneArgs({ flags: CLONE_INTO_CGROUP, exitSignal: k.SIGCHLD, cgroup: cgroupFolder });
  const cloneMeaning = `{flags: CLONE_INTO_CGROUP, exit_signal: SIGCHLD, cgroup: ${cgroupFolder}}`;
  return [
    endWithParentStep("end with the plugin"),
    { name: "name the process", call: "prctl", args: [flags({ PR_SET_NAME }), "exec2-exec"] },
    {
      name: "leave the agent's keyring",
      call: "keyctl",
      args: [flags({ KEYCTL_JOIN_SESSION_KEYRING }), 0],
      // ENOSYS where the kernel has no keyrings.
      flow: { kind: "tolerateErrors" },
    },
    // What the agent left open: but for the status pipe, all numbers from here on are free.
    { name: "close inherited descriptors", call: "close_range", args: [hostProc, hostProc, 0] },
    closeRangeStep("close inherited descriptors", status + 1),
    // Both by their paths of the host, which the task's mounts may hide.
    openFolderStep("open the plugin's /proc", "/proc"),
    openFolderStep("open the task's cgroup", cgroup),
    { name: "join the task's namespaces", call: "setns", args: [init, namespaces] },
    {
      name: "read the rest of the plan",
      call: "pread64",
      args: [descriptors.plan, LATE_ADDRESS, TABLE_ADDRESS + TABLE_BYTES - LATE_ADDRESS, LATE_OFFSET],
    },
    {
      name: "fork into the task",
      call: "clone3",
      args: [bytes(clone, cloneMeaning), clone.length],
      flow: { kind: "fork", child: "task", parent: "supervise" },
    },
  ];
}

function superviseSteps(): Step[] {
  const ONLY_CHILD = -1;
  const STATUS_BYTES = 4;
  return [
    // The ends of the command's pipes, above all: who reads them waits for their end.
    { name: "close what is the command's", call: "close_range", args: [0, status - 1, 0] },
    closeRangeStep("close the cgroup's folder", cgroupFolder),
    forgetSecretsStep(),
    { name: "wait for the command", call: "wait4", args: [ONLY_CHILD, place("waitStatus"), 0, 0] },
    { name: "tell the wait status", call: "write", args: [status, place("waitStatus"), STATUS_BYTES] },
    { name: "end", call: "exit_group", args: [0] },
  ];
}

/** ioctl_tty(2): the session leader has none yet. */
function controllingTerminalStep(): Step {
  const { TIOCSCTTY } = k;
  return {
    name: "take the terminal",
    call: "ioctl",
    args: [stdin, flags({ TIOCSCTTY }), 0],
  };
}

/** PR_SET_PDEATHSIG(2const): SIGKILL when the parent ends. */
export function endWithParentStep(name: string): Step {
  const { PR_SET_PDEATHSIG, SIGKILL } = k;
  return { name, call: "prctl", args: [flags({ PR_SET_PDEATHSIG }), flags({ SIGKILL })] };
}
