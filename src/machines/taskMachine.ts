/**
 * The task as an XState machine: state + event → state + the actions to execute. Except for `evolve`, actions
 * are effects. Here they are only names, so a replay executes none. The driver provides their implementations
 * (src/driver/run/run.ts), and reports their results as events.
 *
 *     pending → fingerprinted → sandboxed → running ──────────────→ exited → destroyed
 *        └────────────┴─────────────┴→ failed  └→ stopping → killing ┘
 *        ↑                               │
 *        └─ requested again, same id ─────┘
 *
 * `recovered` replaces `running` once another plugin process has taken over the
 * task. In `lost` the driver can learn nothing more about the task. A task that
 * another driver has started goes from `pending` to `running` on `adopted`. Pure.
 */
import { assign, setup } from "xstate";
import { type EffectName, effectNames } from "./effects.ts";
import type { EventType, TaskEvent } from "./events.ts";
import { evolve, initialContext, type TaskContext } from "./taskContext.ts";

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

/** A state in XState's format, limited to what this machine uses. */
interface State {
  /** Effects to request when the state is entered. */
  readonly entry?: readonly EffectName[];
  /** Transitions by type of event. Any other event is not accepted. */
  readonly on?: { readonly [T in EventType]?: Transition };
  readonly type?: "final";
}

interface Transition {
  /** Absent: the state stays as it is. */
  readonly target?: StateName;
  /** Runs the entry effects even if the target is the current state. */
  readonly reenter?: true;
  /** `evolve`: the event changes the context (taskContext.ts). The others are effects. */
  readonly actions: readonly ("evolve" | EffectName)[];
}

const evolves = { actions: ["evolve"] } as const;
const requested = { target: "pending", actions: ["evolve", "inspectHost"] } as const;
const failed = { target: "failed", ...evolves } as const;

/** Transitions of every state in which the task runs. */
const whileAlive = {
  signalled: evolves,
  oomSeen: evolves,
  denied: evolves,
  execStarted: evolves,
  execExited: evolves,
  execsRepeated: evolves,
  exited: { target: "exited", ...evolves },
  recovered: { target: "recovered", reenter: true, ...evolves },
  lost: { target: "lost", ...evolves },
  destroyRequested: { target: "killing", ...evolves },
} as const;

const untilStopped = {
  ...whileAlive,
  stopRequested: { target: "stopping", reenter: true, ...evolves },
} as const;

export const taskStates = {
  pending: {
    on: {
      requested,
      fingerprinted: { target: "fingerprinted", ...evolves },
      adopted: { target: "running", ...evolves },
      startFailed: failed,
    },
  },
  fingerprinted: {
    entry: ["prepareSandbox"],
    on: { sandboxed: { target: "sandboxed", ...evolves }, startFailed: failed },
  },
  sandboxed: {
    entry: ["launch"],
    on: { started: { target: "running", ...evolves }, startFailed: failed },
  },
  running: { entry: ["watchExit"], on: untilStopped },
  recovered: { entry: ["watchExit"], on: untilStopped },
  stopping: {
    entry: ["sendStopSignal", "startKillTimer"],
    on: { ...untilStopped, stopTimedOut: { target: "killing", ...evolves } },
  },
  killing: { entry: ["killRun"], on: { ...whileAlive, forceKilled: evolves } },
  exited: {
    entry: ["releaseRun"],
    on: {
      signalled: evolves,
      forceKilled: evolves,
      execExited: evolves,
      execsRepeated: evolves,
      denied: evolves,
      destroyed: { target: "destroyed", ...evolves },
    },
  },
  failed: {
    entry: ["releaseRun"],
    // If a plugin dies during a start, its agent sends the same start to the next plugin.
    on: { requested, destroyed: { target: "destroyed", ...evolves } },
  },
  lost: { entry: ["releaseRun"], on: { destroyed: { target: "destroyed", ...evolves } } },
  destroyed: { type: "final" },
} as const satisfies Readonly<Record<StateName, State>>;

type States = typeof taskStates;
type AcceptedType = {
  [S in StateName]: States[S] extends { readonly on: infer Transitions } ? keyof Transitions : never;
}[StateName];

/** Does not compile if there is a type of event that no state accepts. */
true satisfies [EventType] extends [AcceptedType]
  ? true
  : { readonly noStateAccepts: Exclude<EventType, AcceptedType> };

/**
 * An effect without an implementation.
 * @param _run what the effect acts on
 */
const nameOnly = (_info: unknown, _run?: unknown) => undefined;
const effects = Object.fromEntries(effectNames.map((name) => [name, nameOnly])) as Record<
  EffectName,
  typeof nameOnly
>;

export const taskMachine = setup({
  types: { context: {} as TaskContext, events: {} as TaskEvent },
  actions: { ...effects, evolve: assign(({ context, event }) => evolve(context, event)) },
}).createMachine({ id: "task", context: initialContext, initial: "pending", states: taskStates });

export type TaskMachine = typeof taskMachine;

/** Whether this version has a state of that name. */
export function isStateName(name: string): name is StateName {
  return Object.hasOwn(taskStates, name);
}

const aliveStates: ReadonlySet<StateName> = new Set(["running", "recovered", "stopping", "killing"]);

/** Whether processes of the task are running, according to its events. */
export function isAlive(state: StateName): boolean {
  return aliveStates.has(state);
}

/** Whether a start is in progress, according to the task's events. */
export function isStarting(state: StateName): boolean {
  return !isAlive(state) && !isOver(state);
}

const endStates: ReadonlySet<string> = new Set<StateName>(["exited", "failed", "lost", "destroyed"]);

/**
 * Whether the task is over; false for a state that only another version has. If a failed start is requested
 * again, the task is not over any more.
 */
export function isOver(state: string): boolean {
  return endStates.has(state);
}
