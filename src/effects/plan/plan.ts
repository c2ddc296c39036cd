/**
 * A launch plan: the system calls between this process and the task's `execve`,
 * as data. It can be printed, tested and logged without a kernel. The runner
 * (runnerX86.s) executes it. Also the layouts that a run's init and a plugin share, even if they come from
 * different versions of the driver: the run's status file, records of processes, and the numbers of init's
 * descriptors. Pure.
 */

import type { SystemCall } from "../kernel/systemCalls.ts";
import { type ProcessIdentity, parseStat } from "../processes/processStat.ts";

/**
 * The phases that are known when a launch begins.
 *
 * - `parent`: the spawned process. It forks init and exits.
 * - `init`: PID 1 of the run's pid namespace, if the run has one. It runs as root and sets up the namespaces.
 * - `unveil`: init adds Landlock rules. Many tasks have the same steps here, so these steps are assembled
 *   only once.
 * - `held`: init waits for the rest of the plan.
 * - `abandoned`: init exits, because the plugin gave the launch up.
 * - `logger`: the spawned process, if it does not exit, but becomes the task's logger.
 * - `relay`: the child of the spawned process, which becomes the relay of a task's output to journald.
 * - `relaying`: the relay moves output, again and again.
 * - `stalled`: the relay waits for journald, and records that it does.
 * - `drained`: the relay ends if the output has ended.
 * - `supervise`: init waits for the task's end, after it has forked the task.
 */
export const earlyPhases = [
  ...(["parent", "init", "unveil", "held", "abandoned", "logger"] as const),
  ...(["relay", "relaying", "stalled", "drained", "supervise"] as const),
] as const;

/**
 * The phases that may become known while init is working.
 *
 * - `rest`: init, from the rest of the plan until it has forked the task.
 * - `task`: init's child, which becomes the task's command once it is released.
 * - `dropped`: init's child exits, because the plugin gave the launch up.
 */
export const latePhases = ["rest", "task", "dropped"] as const;

/** In the order in which the processes start. */
export const phases = [
  "parent",
  "init",
  "unveil",
  "held",
  "abandoned",
  "logger",
  "relay",
  "relaying",
  "stalled",
  "drained",
  "rest",
  "task",
  "dropped",
  "supervise",
] as const;

export type Phase = (typeof phases)[number];

type Steps<P extends Phase> = Readonly<Record<P, readonly Step[]>>;

/** Numbers of descriptors, by their names in the plan. */
export type Descriptors<Name extends string> = Readonly<Record<Name, number>>;

/** How to spawn the runner. */
export interface Spawning<Name extends string> {
  /** The first argument of the plan's processes before `execve`, as process lists show it. */
  readonly initName: string;
  /** Descriptors that the runner inherits, besides the plan itself and its report. */
  readonly inherited: Descriptors<Name>;
  /** Whether the plan's processes continue if the plugin dies. Then nobody reads their report. */
  readonly outlivesPlugin: boolean;
  /** `callers`: the processes stay in this process's session and process group. Default: a session of their own. */
  readonly session?: "own" | "callers";
}

/** The part of a plan that begins a launch. */
export interface EarlyPlan {
  /** The first argument that process lists show for init. */
  readonly initName: string;
  /** The FIFO that shows when init has exited, also after a failed launch. */
  readonly aliveFifo: string;
  /** Cgroup that init starts in; undefined for this process's own. */
  readonly cgroup: string | undefined;
  /** The logger's initial state (`../logs/logger.ts`); undefined if the run has no logger. */
  readonly loggerState: Uint8Array | undefined;
  readonly steps: Steps<(typeof earlyPhases)[number]>;
}

/** The part of a plan that may become known after the launch has begun. */
export interface LatePlan {
  readonly steps: Steps<(typeof latePhases)[number]>;
}

/** The steps that the runner executes. */
export interface Plan {
  readonly steps: Steps<Phase>;
}

/** A plan that is completely known before it begins. */
export type WholePlan<Name extends string> = Spawning<Name> & Plan & Partial<Pick<EarlyPlan, "loggerState">>;

/** A plan that starts a task. */
export type LaunchPlan = EarlyPlan & Plan;

/** No steps in any phase: the base of plans with fewer processes than a launch. */
export const noSteps: Steps<Phase> = {
  parent: [],
  init: [],
  unveil: [],
  held: [],
  abandoned: [],
  logger: [],
  relay: [],
  relaying: [],
  stalled: [],
  drained: [],
  rest: [],
  task: [],
  dropped: [],
  supervise: [],
};

export function joinPlan(early: EarlyPlan, late: LatePlan): LaunchPlan {
  return { ...early, steps: { ...early.steps, ...late.steps } };
}

/** One system call. */
export interface Step {
  /** Its purpose. Stable, because errors name it. Steps that only work together share a name. */
  readonly name: string;
  readonly call: SystemCall;
  readonly args: readonly Argument[];
  /** What follows the call; by default the next step. */
  readonly flow?: Flow;
  /** What to do about an error of the call, by its symbolic name. A function gets the path of the step. */
  readonly hints?: Hints;
  /** Whether many plans contain this very object. Its line in printed plans is then made only once. */
  readonly isShared?: true;
}

export type Hints = Readonly<Record<string, string | ((path: string) => string)>>;

/** Marks steps that do not depend on the task, and are made once for all plans. */
export function shared(steps: readonly Step[]): readonly Step[] {
  return steps.map((step) => ({ ...step, isShared: true }));
}

/**
 * What follows a call. By default the next step follows, and an error is reported
 * and ends the process.
 */
export type Flow =
  /** An error is ignored. */
  | { readonly kind: "tolerateErrors" }
  /**
   * The call returns twice. The child, in which it returns 0, continues with `child`. The caller continues
   * with `parent`.
   */
  | { readonly kind: "fork"; readonly child: Phase; readonly parent: Phase | "next" }
  /** A read: continues with `ended` at the end of the file, else with `otherwise`. */
  | { readonly kind: "endOfFile"; readonly ended: Phase; readonly otherwise: Phase | "next" }
  /** Continues with `zero` if the call returns 0, with the next step if it fails, and else with `otherwise`. */
  | { readonly kind: "branch"; readonly zero: Phase | "next"; readonly otherwise: Phase | "next" }
  /** Repeats the call until it returns `result`. */
  | { readonly kind: "repeatUntil"; readonly result: number }
  /** Repeats the call until it returns the pid of the task that init has forked. */
  | { readonly kind: "repeatUntilTask" }
  /** Repeats the call until it fails. */
  | { readonly kind: "repeatUntilError" }
  /** Repeats the call until it returns 0, and continues with the next step; skips that step if the call fails. */
  | { readonly kind: "repeatUntilZeroOrSkip" }
  /** Continues with another phase. */
  | { readonly kind: "goTo"; readonly phase: Phase }
  /** Hands the process over to the logger's code. An error is ignored. */
  | { readonly kind: "becomeLogger" };

/** A number, a string (passed as its address), or one of the types below. */
export type Argument = number | string | Flags | Bytes | Strings | Filter | Message | Place;

/** A number in readable form: mostly the names of the constants that it consists of. */
export interface Flags {
  readonly kind: "flags";
  readonly value: number;
  readonly names: string;
}

/** The address of a struct. */
export interface Bytes {
  readonly kind: "bytes";
  readonly bytes: Uint8Array;
  /** Its content in readable form. */
  readonly meaning: string;
}

/** The address of a null-terminated array of strings, such as `argv`. */
export interface Strings {
  readonly kind: "strings";
  readonly strings: readonly string[];
  /** Whether the text after `=` in each string is secret. */
  readonly secret: boolean;
}

/** A filter of system calls. The kernel runs it at each call of a process that has it. */
export interface SystemCallFilter {
  /** Array of `struct sock_filter`, for this architecture. */
  readonly program: Uint8Array;
  /** Name of the profile from which it was made. */
  readonly name: string;
}

/** The address of a `struct sock_fprog`: seccomp(2). */
export interface Filter {
  readonly kind: "filter";
  readonly filter: SystemCallFilter;
}

/**
 * The address of a `struct msghdr` that takes a message of one byte and this many descriptors: recvmsg(2).
 */
export interface Message {
  readonly kind: "message";
  readonly descriptors: number;
}

/** An address in a buffer that is initially zero and that calls write to. */
export interface Place {
  readonly kind: "place";
  readonly buffer: BufferName;
  readonly offset: number;
}

export type BufferName = keyof typeof bufferBytes;

/**
 * A record with which a process reports its identity: zeros, then the beginning of the process's
 * `/proc/self/stat`. The zeros distinguish it from the report of a failed step.
 */
export const identityRecord = { tagBytes: 8, bytes: 256 } as const;

/** Init's descriptor of the alive FIFO until init has forked the task. */
export const OPENED_ALIVE = 9;

/** Sizes of the buffers. */
export const bufferBytes = {
  /** A process's {@link identityRecord}. */
  identity: identityRecord.bytes,
  /** The raw wait status of the task. */
  waitStatus: 8,
} as const;

/** Descriptors have fixed numbers, because nothing else is open when the plan begins. */
export const descriptors = {
  stdin: 0,
  stdout: 1,
  stderr: 2,
  /** The plan itself. */
  plan: 3,
  /** Pipe to the plugin; closed by `execve`. */
  report: 4,
  ruleset: 5,
  /**
   * Pipe from the plugin: one byte says that the plan is complete, a second one releases the task. End of file
   * gives the launch up.
   */
  releasePipe: 6,
  /** Lowest number that is free at the beginning. */
  free: 7,
  /** The `/proc` of the plugin's pid namespace, in init and task. */
  hostProc: 7,
  status: 8,
  alive: OPENED_ALIVE,
  /** For a descriptor that one step opens and a later step closes. */
  scratch: 10,
  /**
   * Only with a logger, and only in the spawned process: the logger's pipe from the plugin, like `releasePipe`,
   * and the folder of the log files.
   */
  logRelease: 10,
  logFolder: 11,
  /** A scratch descriptor of the task's process, which has closed the driver's descriptors by then. */
  taskScratch: 3,
  /**
   * Only without a pid namespace: the task's cgroup, the run's own cgroup below it, and the run's
   * `cgroup.kill`. With a subtree of the task's own, `runCgroup` is its root.
   */
  cgroup: 11,
  runCgroup: 12,
  killSwitch: 13,
  /** The mount namespace of which the run gets a copy: a template's, or the host's. */
  mounts: 14,
  /**
   * Only with a logger: the read ends of the pipes that are the task's standard output and error. With a relay
   * both are the same pipe's, and `logFolder` is the connection to journald.
   */
  stdoutRead: 15,
  stderrRead: 16,
  /** First of the trees of mounts that are open and not mounted yet. */
  trees: 17,
  /**
   * First of the descriptors that init keeps open because Landlock rules depend on them. The mount namespace
   * and the trees are closed by then.
   */
  heldRules: 17,
} as const;

/**
 * Flags by their names: `flags({ MS_REC, MS_SLAVE })`.
 * They are added, not or-ed, because some exceed 32 bits.
 */
export function flags(constants: Readonly<Record<string, number>>): Flags {
  let value = 0;
  let names = "";
  for (const name in constants) {
    value += constants[name] as number;
    names = names === "" ? name : `${names}|${name}`;
  }
  return { kind: "flags", value, names: names || "0" };
}

/** A file mode in readable form. */
export function octal(mode: number): Flags {
  return { kind: "flags", value: mode, names: `0${mode === 0 ? "" : mode.toString(8)}` };
}

export function bytes(content: Uint8Array, meaning: string): Bytes {
  return { kind: "bytes", bytes: content, meaning };
}

export function place(buffer: BufferName, offset = 0): Place {
  return { kind: "place", buffer, offset };
}

/** @returns undefined if the bytes do not begin with a record of a process */
export function parseIdentity(record: Uint8Array): ProcessIdentity | undefined {
  const stat = parseStat(decoder.decode(record.subarray(identityRecord.tagBytes, identityRecord.bytes)));
  return stat && { pid: stat.pid, startTicks: stat.startTicks };
}

const decoder = new TextDecoder();

/**
 * Layout of the status file, whose records have to outlive the run and the plugin. First comes the task's raw
 * wait status, which is `noStatus` until the task has exited. Then comes a word that is 0, unless processes of the task
 * were left when its main process had ended: init then writes any other value there, before the wait status. Then comes
 * the task's {@link identityRecord}, which the task's process writes before it is released. The file is longer than that until the release, when
 * the task's process cuts it: a limit on the size of files (RLIMIT_FSIZE of getrlimit(2)) allows that.
 */
export const statusFileLayout = {
  /** Offset of the wait status. */
  status: 0,
  /** Offset of the mark that processes were left. */
  left: 4,
  leftBytes: 4,
  /** Offset of the identity record. */
  task: 8,
  statusBytes: 4,
  /** Length of the file once the task has been released. */
  releasedBytes: 8 + identityRecord.bytes,
  /** Length of the file until then. */
  heldBytes: 16 + identityRecord.bytes,
  /** No process has this wait status: wait(2). */
  noStatus: new Uint8Array(4).fill(0xff),
} as const;

/**
 * Init's descriptors once init has forked the task. They have the lowest numbers, so that init can close all
 * others at once. The ruleset stays open for processes that join the task later and restrict themselves with
 * it. `killSwitch` and `cgroup` are only for runs without a pid namespace: init uses them to end the run.
 * `stdoutRead` and `stderrRead` are only for runs with a logger. While init keeps them open, the task's output
 * stays in its pipes, and the task gets no SIGPIPE, if the logger is killed.
 */
export const kept = {
  status: 0,
  alive: 1,
  ruleset: 2,
  killSwitch: 3,
  cgroup: 4,
  stdoutRead: descriptors.stdoutRead,
  stderrRead: descriptors.stderrRead,
} as const;
