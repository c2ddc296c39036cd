/**
 * The fold: applies one event at a time to the machine, and returns the names of the effects that the machine
 * requests. The running driver and every replay use this fold. The fold interprets the machine's table
 * itself. XState gives the same results (test/machines/xstateMachine.test.ts), but is a hundred times slower
 * (bench/replay.ts). Pure.
 */
import type { EffectName } from "./effects.ts";
import type { TaskEvent } from "./events.ts";
import { evolve, initialContext, type TaskContext } from "./taskContext.ts";
import {
  isOver,
  isStarting,
  type State,
  type StateName,
  type Transition,
  taskStates,
} from "./taskMachine.ts";

export interface TaskSnapshot {
  /** The state's name: the machine is flat. */
  readonly value: StateName;
  readonly context: TaskContext;
}

export interface Step {
  readonly snapshot: TaskSnapshot;
  readonly from: StateName;
  readonly to: StateName;
  readonly effects: readonly EffectName[];
  /** False if the state has no transition for the event, or a guard refuses it. Then nothing has changed. */
  readonly accepted: boolean;
}

/** The state of a task before its first event. */
export const initialSnapshot: TaskSnapshot = { value: "pending", context: initialContext };

/** Applies an event to the machine. Pure. */
export function step(snapshot: TaskSnapshot, event: TaskEvent): Step {
  const { value: from, context } = snapshot;
  const transition = transitionFor(from, event);
  if (transition === undefined || transition.guard?.({ context, event }) === false) {
    return { snapshot, from, to: from, effects: [], accepted: false };
  }
  const { target: to = from, reenter = false, actions } = transition;
  const { entry = [] }: State = to !== from || reenter ? taskStates[to] : {};
  const evolved = actions.includes("evolve") ? { ...context, ...evolve(context, event) } : context;
  return {
    snapshot: { value: to, context: evolved },
    from,
    to,
    effects: [...actions, ...entry].filter((action) => action !== "evolve"),
    accepted: true,
  };
}

/** Also undefined for an unknown event type: a log may hold such events. */
function transitionFor(state: StateName, { type }: TaskEvent): Transition | undefined {
  const { on = {} }: State = taskStates[state];
  return Object.hasOwn(on, type) ? on[type] : undefined;
}

/** Folds a whole history. Events without a transition change nothing. */
export function fold(events: Iterable<TaskEvent>): TaskSnapshot {
  let snapshot = initialSnapshot;
  for (const event of events) snapshot = step(snapshot, event).snapshot;
  return snapshot;
}

/** Whether the start is over: the task has started, or never will. */
export function startIsOver({ value }: TaskSnapshot): boolean {
  return !isStarting(value);
}

/** Whether the task is over for good. */
export function hasEnded({ value }: TaskSnapshot): boolean {
  return isOver(value);
}
