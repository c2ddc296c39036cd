/** The steps of a task's process before it executes its command. Pure. */
import * as k from "../kernel/constants.ts";
import { restrictSteps } from "../landlock/landlockSteps.ts";
import { limitSteps, type TaskLimit } from "../limits/ulimits.ts";
import type { TaskOptions } from "../parts.ts";
import { closeRangeStep, openPlainStep, reportIdentitySteps } from "../plan/commonSteps.ts";
import {
  descriptors,
  flags,
  type Hints,
  type Step,
  type Strings,
  type SystemCallFilter,
  shared,
} from "../plan/plan.ts";
import { filterStep } from "../seccomp/systemCallFilter.ts";
import type { TaskCapabilities } from "../users/capabilities.ts";
import { identitySteps } from "../users/identitySteps.ts";

const { PR_SET_NO_NEW_PRIVS, CLOSE_RANGE_CLOEXEC, O_PATH, O_DIRECTORY, O_CLOEXEC } = k;

/** A process of the task: its program and its rights. */
export interface TaskProcess {
  /** The task's options as the job sets them. A command that joins the task has these options, too. */
  readonly options: TaskOptions;
  /** Absolute path. */
  readonly command: string;
  /** First argument: the command as in the job. Programs use it as their name. */
  readonly name: string;
  /** The other arguments. */
  readonly args: readonly string[];
  /** The whole environment; values are secrets. */
  readonly env: Readonly<Record<string, string>>;
  /** Where the command is, if its errors need other advice than those of the host's programs. */
  readonly commandIn?: "volume" | "root_dir" | undefined;
  /** The working directory. The process enters it with the task's rights. */
  readonly workDir: string;
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups. The task inherits none from this process. */
  readonly groups: readonly number[];
  /** Limits that differ from this process's, such as the limit on open files: Node raises its own. */
  readonly limits: readonly TaskLimit[];
  /** Undefined if the change of user alone leaves the right capability sets. */
  readonly capabilities: TaskCapabilities | undefined;
  /** Undefined if the task may make every system call. */
  readonly filter: SystemCallFilter | undefined;
  /** Whether the kernel is to record refusals of Landlock (from ABI 7 on) and of the filter. */
  readonly recordDenials: boolean;
}

/** Additional steps between those that all processes of a task have in common. */
export interface FurtherSteps {
  /** As root, right after the process has become a session leader. */
  readonly inSession?: readonly Step[];
  /** As root, right after the process has reported its identity. */
  readonly identified?: readonly Step[];
  /** As the task's user. */
  readonly asUser?: readonly Step[];
  /**
   * As the task's user and restricted by Landlock, but not by the filter yet: the process waits for its release.
   * It has the descriptors of the plugin's pipe and of the status file until it executes its command.
   */
  readonly held?: readonly Step[];
}

/** @throws DriverError `USER_FORBIDDEN` for a uid or gid that the kernel would not set */
export function taskSteps(input: TaskProcess, further: FurtherSteps = {}): Step[] {
  return [
    ...startSession,
    ...(further.inSession ?? []),
    ...reportTask,
    ...(further.identified ?? []),
    ...limitSteps(input.limits, input.options),
    ...(further.held ? closeOthersButHeld : closeOthers),
    ...identitySteps(input),
    // As the task's user, because root could enter folders that the user may not enter.
    ...workDirSteps(input.workDir),
    ...setNoNewPrivs,
    ...(further.asUser ?? []),
    ...restrictSteps(input.recordDenials),
    ...hideDescriptors,
    ...(further.held ?? []),
    // The filter comes last, so it need not allow the calls of earlier steps.
    ...(input.filter === undefined ? [] : [filterStep(input.filter, input.recordDenials)]),
    {
      name: "execute the command",
      call: "execve",
      args: [input.command, strings([input.name, ...input.args]), environment(input.env)],
      hints: input.commandIn ? { ...commandHints, ...hintsIn[input.commandIn] } : commandHints,
    },
  ];
}

/** This also creates a process group, to which signals are sent. */
const startSession = shared([{ name: "start a session for the task", call: "setsid", args: [] }]);

const reportTask = shared(reportIdentitySteps("report the task"));

/** Name of the steps that close the driver's descriptors. */
const closeStep = "close the driver's descriptors";

/**
 * Leaves open only the task's descriptors, the report pipe and the ruleset. These steps come before any step
 * that opens a path which somebody else may have made. Such a path could lead to any other open descriptor,
 * such as the host's `/proc`.
 */
const closeOthers = shared([
  { name: closeStep, call: "close", args: [descriptors.plan] },
  closeRangeStep(closeStep, descriptors.ruleset + 1),
]);

/** Like {@link closeOthers}, for a process that is held: a path that leads to what it keeps gains nothing. */
const closeOthersButHeld = shared([
  { name: closeStep, call: "close", args: [descriptors.plan] },
  { name: closeStep, call: "close", args: [descriptors.hostProc] },
  closeRangeStep(closeStep, descriptors.status + 1),
]);

const setNoNewPrivs = shared([
  { name: "set no_new_privs", call: "prctl", args: [flags({ PR_SET_NO_NEW_PRIVS }), 1, 0, 0, 0] },
]);

const hideDescriptors = shared([
  closeRangeStep("hide descriptors", descriptors.stderr + 1, flags({ CLOSE_RANGE_CLOEXEC })),
]);

/**
 * Refuses magic links (proc_pid_fd(5)): they lead to places that the task's mount namespace does not have.
 */
function workDirSteps(path: string): Step[] {
  const name = "change to the working directory";
  const steps: Step[] = [
    openPlainStep(name, path, { O_PATH, O_DIRECTORY, O_CLOEXEC }),
    { name, call: "fchdir", args: [descriptors.taskScratch] },
    { name, call: "close", args: [descriptors.taskScratch] },
  ];
  return steps.map((step) => ({ ...step, hints: workDirHints }));
}

const workDirHints: Hints = {
  EACCES: (path) =>
    `The task's user may not enter ${path}, or a folder above it: change its owner or mode, or set work_dir`,
  ENOENT: "work_dir has to be an existing folder",
  ENOTDIR: "work_dir has to be an existing folder",
  ELOOP: "A link in work_dir leads to an open file of a process: find out who made it",
};

const commandHints: Hints = {
  EACCES: (path) =>
    `The command or its interpreter is not unveiled with x, or its file mode keeps the task's user from executing it: add unveil "rx:${path}"`,
  ENOENT:
    "The command does not exist; or it is a script whose interpreter is missing, or a program whose dynamic loader is missing. A file that the host has may lack an unveil entry with rx",
  ENOEXEC:
    "The file is neither a program for this machine's architecture nor a script: a script begins with #! and its interpreter",
  E2BIG: "The arguments and the environment are too long: see execve(2)",
};

const hintsIn: Readonly<Record<"volume" | "root_dir", Hints>> = {
  volume: {
    EACCES: (path) =>
      `Its file mode, or that of a folder above it, keeps the task's user from executing ${path}: change its mode or owner; or name the volume's destination in idmapped_volumes, if its files belong to another user`,
  },
  root_dir: {
    EACCES: (path) =>
      `The file mode of ${path}, of its interpreter, or of a folder above, keeps the task's user from executing it: change it in root_dir`,
    ENOENT:
      "It is a script whose interpreter is missing in root_dir, or a program whose dynamic loader is missing there: install it in root_dir",
  },
};

function environment(env: TaskProcess["env"]): Strings {
  const entries = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  return { kind: "strings", strings: entries, secret: true };
}

function strings(list: readonly string[]): Strings {
  return { kind: "strings", strings: list, secret: false };
}
