/**
 * The fold: one event at a time over the machine, with the names of the effects
 * that it asks for. The running driver and every replay use this same function.
 */
import { type ActorScope, createActor, type SnapshotFrom } from "xstate";
import { type EffectName, effectNames } from "./effects.ts";
import type { TaskEvent } from "./events.ts";
import { isAlive, isOver, type StateName, taskMachine } from "./taskMachine.ts";

export type TaskSnapshot = SnapshotFrom<typeof taskMachine>;

export interface Step {
  readonly snapshot: TaskSnapshot;
  readonly from: StateName;
  readonly to: StateName;
  readonly effects: readonly EffectName[];
  /** False where the machine has no use for the event in its state; then nothing else changed. */
  readonly accepted: boolean;
}

/** The state of a task of which nothing has been told yet. */
export const initialSnapshot: TaskSnapshot = createActor(taskMachine).getSnapshot();

/** What the machine makes of an event. Pure. */
export function step(snapshot: TaskSnapshot, event: TaskEvent): Step {
  asked = [];
  const next = taskMachine.transition(snapshot, event, scope);
  return {
    snapshot: next,
    from: stateName(snapshot),
    to: stateName(next),
    effects: asked,
    accepted: next !== snapshot,
  };
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

const known: ReadonlySet<string> = new Set(effectNames);
let asked: EffectName[] = [];

/**
 * One scope for all steps: XState's own `transition()` makes a new one at each
 * call, which is four fifths of its cost. Nothing in it outlives a step: the
 * machine spawns no actors, and its actions are recorded, not run.
 */
const scope = inertScope();

function inertScope(): ActorScope<TaskSnapshot, TaskEvent> {
  const self = createActor(taskMachine);
  return {
    self,
    id: self.id,
    sessionId: self.sessionId,
    system: self.system,
    logger: () => undefined,
    defer: () => undefined,
    emit: () => undefined,
    stopChild: () => undefined,
    actionExecutor: ({ type }) => {
      if (known.has(type)) asked.push(type as EffectName);
    },
  };
}
