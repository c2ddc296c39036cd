/**
 * A launch plan: the system calls between this process and the task's `execve`,
 * as data. It can be printed, tested and logged without a kernel; the runner
 * (runnerX86.s) carries it out.
 */
import type { SystemCall } from "../kernel/systemCalls.ts";

/**
 * What is known when a launch begins.
 *
 * - `parent`: the process that is spawned. It forks init and ends.
 * - `init`: PID 1 of the run's pid namespace, where it has one; root. It furnishes the
 *   namespaces and waits for the word to go on.
 * - `abandoned`: init where that word never comes.
 * - `supervise`: init once it has forked the task.
 */
export const earlyPhases = ["parent", "init", "abandoned", "supervise"] as const;

/**
 * What may become known while init is at work.
 *
 * - `release`: init, from the word to go on until it has forked the task.
 * - `task`: its child, which becomes the task's command.
 */
export const latePhases = ["release", "task"] as const;

/** In the order in which the processes come to be. */
export const phases = ["parent", "init", "abandoned", "release", "task", "supervise"] as const;

export type Phase = (typeof phases)[number];

type Steps<P extends Phase> = Readonly<Record<P, readonly Step[]>>;

/** Numbers of descriptors by the names that a plan has for them. */
export type Descriptors<Name extends string> = Readonly<Record<Name, number>>;

/** What the runner has to be spawned with. */
export interface Spawning<Name extends string> {
  /** First argument of the processes before `execve`. */
  readonly initName: string;
  /** Where the plan finds what is open beside the plan itself and its report. */
  readonly finds: Descriptors<Name>;
  /** Whether its processes go on without the plugin, and so without a reader of their report. */
  readonly outlivesPlugin: boolean;
}

/** Enough to begin a launch with. */
export interface EarlyPlan extends Spawning<"stdout" | "stderr" | "ruleset" | "releasePipe"> {
  /** The FIFO that tells when init has ended, also after a launch that failed. */
  readonly aliveFifo: string;
  /** That init is born in; undefined for this process's own. */
  readonly cgroup: string | undefined;
  readonly steps: Steps<(typeof earlyPhases)[number]>;
}

/** What init goes on with. */
export interface LatePlan {
  readonly steps: Steps<(typeof latePhases)[number]>;
}

/** What the runner carries out. */
export interface Plan {
  readonly steps: Steps<Phase>;
}

/** A plan that is known as a whole before it begins. */
export type WholePlan<Name extends string> = Spawning<Name> & Plan;

/** A plan that starts a task. */
export type LaunchPlan = EarlyPlan & Plan;

/** For plans of fewer processes than a launch. */
export const noSteps: Steps<Phase> = {
  parent: [],
  init: [],
  abandoned: [],
  release: [],
  task: [],
  supervise: [],
};

export function joinPlan(early: EarlyPlan, late: LatePlan): LaunchPlan {
  return { ...early, steps: { ...early.steps, ...late.steps } };
}

/** One system call. */
export interface Step {
  /** What it is for. Stable: errors name it. Steps that only work together share a name. */
  readonly name: string;
  readonly call: SystemCall;
  readonly args: readonly Argument[];
  /** What comes after it; `next` where absent. */
  readonly flow?: Flow;
}

/**
 * What comes after a call. Where nothing else is said, the step after it does,
 * and an error ends the process and is reported.
 */
export type Flow =
  /** An error is no reason to stop. */
  | { readonly kind: "tolerateErrors" }
  /** The call returns twice, in the child with 0; the child goes on with `child`, the caller with `parent`. */
  | { readonly kind: "fork"; readonly child: Phase; readonly parent: Phase | "next" }
  /** A read: at the end of the file with one phase, else with another. */
  | { readonly kind: "endOfFile"; readonly ended: Phase; readonly otherwise: Phase | "next" }
  /** Again, until the call returns this. */
  | { readonly kind: "repeatUntil"; readonly result: number }
  /** Again, until the call returns the number of the process that init has forked. */
  | { readonly kind: "repeatUntilTask" }
  /** Again, until there is an error. */
  | { readonly kind: "repeatUntilError" };

/** A number, a string (passed as its address), or one of the things below. */
export type Argument = number | string | Flags | Bytes | Strings | Place;

/** A number as people write it: mostly the names of the constants that it is made of. */
export interface Flags {
  readonly kind: "flags";
  readonly value: number;
  readonly names: string;
}

/** The address of a struct. */
export interface Bytes {
  readonly kind: "bytes";
  readonly bytes: Uint8Array;
  /** For people: what is in it. */
  readonly meaning: string;
}

/** The address of a null-terminated array of strings, such as `argv`. */
export interface Strings {
  readonly kind: "strings";
  readonly strings: readonly string[];
  /** True where what comes after `=` in each string is not for people's eyes. */
  readonly secret: boolean;
}

/** An address in a piece of memory that begins as zeros and that calls write to. */
export interface Place {
  readonly kind: "place";
  readonly buffer: BufferName;
  readonly offset: number;
}

export type BufferName = keyof typeof bufferBytes;

/** Sizes of the buffers. */
export const bufferBytes = {
  /** What a process reports of itself: eight zeros, then the beginning of its `/proc/self/stat`. */
  identity: 256,
  /** The raw wait status of the task. */
  waitStatus: 8,
} as const;

/** Length of the zeros at the beginning of {@link bufferBytes.identity}. */
export const IDENTITY_TAG_BYTES = 8;

/**
 * The file in which a run records what has to outlive it and the plugin: first the task's raw wait
 * status, which says that there is none until the task has ended; then who the task is, as
 * {@link bufferBytes.identity} has it, recorded by the task itself before it becomes its command.
 */
export const statusFileLayout = {
  /** Offsets. */
  status: 0,
  task: 8,
  bytes: { status: 4 },
  /** No process ends with it: wait(2). */
  noStatus: new Uint8Array(4).fill(0xff),
} as const;

/** Descriptors have fixed numbers, since nothing else is open when the plan begins. */
export const descriptors = {
  stdin: 0,
  stdout: 1,
  stderr: 2,
  /** The plan itself. */
  plan: 3,
  /** Pipe to the plugin; closed by `execve`. */
  report: 4,
  ruleset: 5,
  /** Pipe from the plugin: a byte is init's word to go on, its end is that of the launch. */
  releasePipe: 6,
  /** Lowest number that is free to begin with. */
  free: 7,
  /** The `/proc` of the plugin's pid namespace, in init and task. */
  hostProc: 7,
  status: 8,
  alive: 9,
  /** What is opened by one step and closed by one soon after. */
  scratch: 10,
  /** Of a run in the plugin's pid namespace: the task's cgroup, the run's own below it, and that one's `cgroup.kill`. */
  cgroup: 11,
  runCgroup: 12,
  killSwitch: 13,
  /** First of the volumes' trees, from when they are opened to when they are mounted. */
  trees: 14,
  /** First of those that init holds for the sake of their Landlock rules. */
  heldRules: 14,
} as const;

/**
 * Flags by their names: `flags({ MS_REC, MS_SLAVE })`.
 * They are added, not or-ed, since some are beyond 32 bits.
 */
export function flags(constants: Readonly<Record<string, number>>): Flags {
  const value = Object.values(constants).reduce((sum, flag) => sum + flag, 0);
  return { kind: "flags", value, names: Object.keys(constants).join("|") || "0" };
}

/** A file mode, as people write it. */
export function octal(mode: number): Flags {
  return { kind: "flags", value: mode, names: `0${mode === 0 ? "" : mode.toString(8)}` };
}

export function bytes(content: Uint8Array, meaning: string): Bytes {
  return { kind: "bytes", bytes: content, meaning };
}

export function place(buffer: BufferName, offset = 0): Place {
  return { kind: "place", buffer, offset };
}
