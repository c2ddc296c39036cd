/**
 * The fold: one event at a time over the machine, with the names of the effects
 * that it asks for. The running driver and every replay use this same function.
 * It reads the machine's table by itself, and XState makes the same of that
 * (test/machines/xstateMachine.test.ts), at a hundredth of the pace (bench/replay.ts).
 */
import type { EffectName } from "./effects.ts";
import type { TaskEvent } from "./events.ts";
import { evolve, initialContext, type TaskContext } from "./taskContext.ts";
import { isAlive, isOver, type State, type StateName, type Transition, taskStates } from "./taskMachine.ts";

export interface TaskSnapshot {
  readonly value: StateName;
  readonly context: TaskContext;
}

export interface Step {
  readonly snapshot: TaskSnapshot;
  readonly from: StateName;
  readonly to: StateName;
  readonly effects: readonly EffectName[];
  /** False where the machine has no use for the event in its state; then nothing else changed. */
  readonly accepted: boolean;
}

/** The state of a task of which nothing has been told yet. */
export const initialSnapshot: TaskSnapshot = { value: "pending", context: initialContext };

/** What the machine makes of an event. Pure. */
export function step(snapshot: TaskSnapshot, event: TaskEvent): Step {
  const { value: from, context } = snapshot;
  const transition = transitionFor(from, event);
  if (transition === undefined || transition.guard?.({ context, event }) === false) {
    return { snapshot, from, to: from, effects: [], accepted: false };
  }
  const { target: to = from, reenter = false, actions } = transition;
  const { entry = [] }: State = to !== from || reenter ? taskStates[to] : {};
  const remembered = actions.includes("remember") ? { ...context, ...evolve(context, event) } : context;
  return {
    snapshot: { value: to, context: remembered },
    from,
    to,
    effects: [...actions, ...entry].filter((action) => action !== "remember"),
    accepted: true,
  };
}

/** A log may hold types of events that there are not. */
function transitionFor(state: StateName, { type }: TaskEvent): Transition | undefined {
  const { on = {} }: State = taskStates[state];
  return Object.hasOwn(on, type) ? on[type] : undefined;
}

/** Folds a whole history; events that the machine has no use for leave it as it is. */
export function fold(events: Iterable<TaskEvent>): TaskSnapshot {
  let snapshot = initialSnapshot;
  for (const event of events) snapshot = step(snapshot, event).snapshot;
  return snapshot;
}

/** The state's name: the machine is flat, so that is its whole value. */
export function stateName(snapshot: TaskSnapshot): StateName {
  return snapshot.value;
}

/** Started, or never will be. */
export function hasStarted({ value }: TaskSnapshot): boolean {
  return isAlive(value) || isOver(value);
}

/** Over for good. */
export function hasEnded({ value }: TaskSnapshot): boolean {
  return isOver(value);
}
