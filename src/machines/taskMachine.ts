/**
 * The task as a state machine: state + event → state + the names of the effects
 * to run. It runs nothing itself: src/driver carries the effects out, and what
 * they did comes back as events.
 *
 *     pending → fingerprinted → sandboxed → running ──────────────→ exited → destroyed
 *        └────────────┴─────────────┴→ failed  └→ stopping → killing ┘
 *        ↑                               │
 *        └─ asked for again, by its id ──┘
 *
 * `recovered` stands in for `running` once another plugin process has taken the
 * task over; `lost` is where nothing more can be known. A task that another driver
 * has started is `adopted`, and runs already then.
 */
import type { EffectName } from "./effects.ts";
import type { EventType, TaskEvent } from "./events.ts";
import type { TaskContext } from "./taskContext.ts";

export type StateName =
  | "pending"
  | "fingerprinted"
  | "sandboxed"
  | "running"
  | "recovered"
  | "stopping"
  | "killing"
  | "exited"
  | "failed"
  | "lost"
  | "destroyed";

/** A state, in XState's words: these and no others, so that the fold can read them, too. */
export interface State {
  /** What to ask for when it is entered. */
  readonly entry?: readonly EffectName[];
  /** What it has a use for. */
  readonly on?: { readonly [T in EventType]?: Transition };
  readonly type?: "final";
}

export interface Transition {
  /** Where this does not hold, the state has no use for the event. Pure. */
  readonly guard?: (told: { readonly context: TaskContext; readonly event: TaskEvent }) => boolean;
  /** Absent: the state stays as it is. */
  readonly target?: StateName;
  /** A target that is the state itself is entered anew. */
  readonly reenter?: true;
  /** `remember` is `evolve` of taskContext.ts. */
  readonly actions: readonly ("remember" | EffectName)[];
}

const remember = { actions: ["remember"] } as const;
const requested = { target: "pending", actions: ["remember", "inspectHost"] } as const;
const failed = { target: "failed", ...remember } as const;

/** What can happen to a task while it runs, whoever watches it. */
const whileAlive = {
  signalled: remember,
  oomSeen: remember,
  execStarted: remember,
  execExited: remember,
  exited: { target: "exited", ...remember },
  recovered: { target: "recovered", reenter: true, ...remember },
  lost: { target: "lost", ...remember },
  destroyRequested: { target: "killing", ...remember },
} as const;

const untilStopped = {
  ...whileAlive,
  stopRequested: { target: "stopping", reenter: true, ...remember },
} as const;

/** The machine: what each state makes of each event. The fold reads it, and XState's machine is made of it. */
export const taskStates = {
  pending: {
    on: {
      requested,
      fingerprinted: { target: "fingerprinted", ...remember },
      adopted: { target: "running", ...remember },
      startFailed: failed,
    },
  },
  fingerprinted: {
    entry: ["prepareSandbox"],
    on: { sandboxed: { target: "sandboxed", ...remember }, startFailed: failed },
  },
  sandboxed: {
    entry: ["launch"],
    on: { started: { target: "running", ...remember }, startFailed: failed },
  },
  running: { entry: ["watchExit"], on: untilStopped },
  recovered: { entry: ["watchExit"], on: untilStopped },
  stopping: {
    entry: ["sendStopSignal", "startKillTimer"],
    on: { ...untilStopped, stopTimedOut: { target: "killing", ...remember } },
  },
  killing: { entry: ["killRun"], on: { ...whileAlive, forceKilled: remember } },
  exited: {
    entry: ["releaseRun"],
    on: {
      signalled: remember,
      forceKilled: remember,
      execExited: remember,
      destroyed: { target: "destroyed", ...remember },
    },
  },
  failed: {
    entry: ["releaseRun"],
    // An agent whose plugin died during a start sends the same start to the next one.
    on: { requested, destroyed: { target: "destroyed", ...remember } },
  },
  lost: { entry: ["releaseRun"], on: { destroyed: { target: "destroyed", ...remember } } },
  destroyed: { type: "final" },
} as const satisfies Readonly<Record<StateName, State>>;

/** Whether this version has a state of that name. */
export function isStateName(name: string): name is StateName {
  return Object.hasOwn(taskStates, name);
}

const aliveStates: ReadonlySet<StateName> = new Set(["running", "recovered", "stopping", "killing"]);

/** Whether processes of the task are running, as far as its events tell. */
export function isAlive(state: StateName): boolean {
  return aliveStates.has(state);
}

/** Whether a start is on its way, as far as its events tell. */
export function isUnderway(state: StateName): boolean {
  return !isAlive(state) && !isOver(state);
}

const endStates: ReadonlySet<string> = new Set<StateName>(["exited", "failed", "lost", "destroyed"]);

/** Whether the task is over for good; never in a state that is another version's alone. */
export function isOver(state: string): boolean {
  return endStates.has(state);
}
