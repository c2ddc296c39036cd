/** The steps with which a process of the task enters its working directory and executes its command. Pure. */
import * as k from "../kernel/constants.ts";
import { openPlainStep } from "../plan/commonSteps.ts";
import { descriptors, type Hints, type Step, type Strings } from "../plan/plan.ts";

const { O_PATH, O_DIRECTORY, O_CLOEXEC } = k;

/** A program to execute. */
export interface Program {
  /** Absolute path. */
  readonly command: string;
  /** First argument: the command as in the job. Programs use it as their name. */
  readonly name: string;
  /** The other arguments. */
  readonly args: readonly string[];
  /** The whole environment; values are secrets. */
  readonly env: Readonly<Record<string, string>>;
  /** Where the command is, if its errors need other advice than those of the host's programs. */
  readonly commandIn?: "volume" | "mount" | "root_dir" | undefined;
}

/**
 * Refuses magic links (proc_pid_fd(5)): they lead to places that the task's mount namespace does not have.
 */
export function workDirSteps(path: string): Step[] {
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

export function executeStep({ command, name, args, env, commandIn }: Program): Step {
  return {
    name: "execute the command",
    call: "execve",
    args: [command, strings([name, ...args]), environment(env)],
    hints: commandIn ? { ...commandHints, ...hintsIn[commandIn] } : commandHints,
  };
}

const commandHints: Hints = {
  EACCES: (path) =>
    `The command or its interpreter is not unveiled with x, or its file mode keeps the task's user from executing it: add unveil "rx:${path}"`,
  ENOENT:
    "The command does not exist; or it is a script whose interpreter is missing, or a program whose dynamic loader is missing. A file that the host has may lack an unveil entry with rx",
  ENOEXEC:
    "The file is neither a program for this machine's architecture nor a script: a script begins with #! and its interpreter",
  E2BIG: "The arguments and the environment are too long: see execve(2)",
};

const hintsIn: Readonly<Record<NonNullable<Program["commandIn"]>, Hints>> = {
  volume: {
    EACCES: (path) =>
      `Its file mode, or that of a folder above it, keeps the task's user from executing ${path}: change its mode or owner; or name the volume's destination in idmapped_volumes, if its files belong to another user`,
  },
  mount: {
    EACCES: (path) =>
      `The file mode of the mount's source keeps the task's user from executing ${path}: a template makes programs with perms = "755"`,
  },
  root_dir: {
    EACCES: (path) =>
      `The file mode of ${path}, of its interpreter, or of a folder above, keeps the task's user from executing it: change it in root_dir`,
    ENOENT:
      "It is a script whose interpreter is missing in root_dir, or a program whose dynamic loader is missing there: install it in root_dir",
  },
};

function environment(env: Program["env"]): Strings {
  const entries = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  return { kind: "strings", strings: entries, secret: true };
}

function strings(list: readonly string[]): Strings {
  return { kind: "strings", strings: list, secret: false };
}
