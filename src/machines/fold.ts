/**
 * The fold: one event at a time over the machine, with the names of the effects
 * that it asks for. The running driver and every replay use this same function.
 */
import { type ActorScope, createActor, type SnapshotFrom } from "xstate";
import { type EffectName, effectNames } from "./effects.ts";
import type { TaskEvent } from "./events.ts";
import { isDecidedByState } from "./stateDecisions.ts";
import { rememberEvent } from "./taskContext.ts";
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

/**
 * What the machine makes of an event. Pure.
 *
 * Most of the machine's decisions hang on state and type of event alone, as can
 * be seen in its definition: what XState made of such a pair once is what it
 * makes of it always, but for what the event is remembered by. A long log is so
 * folded ten times as fast.
 */
export function step(snapshot: TaskSnapshot, event: TaskEvent): Step {
  const decisions = decisionsOf(snapshot.value);
  const decided = decisions.get(event.type);
  if (decided === undefined) {
    const taken = askMachine(snapshot, event);
    if (isDecidedByState(taskMachine, knownActions, { ...taken, type: event.type })) {
      decisions.set(event.type, taken);
    }
    return taken;
  }
  if (!decided.accepted) return { ...decided, snapshot };
  const context = { ...snapshot.context, ...rememberEvent(snapshot.context, event) };
  return { ...decided, snapshot: { ...decided.snapshot, context } };
}

/** The same, asked of XState itself. */
export function askMachine(snapshot: TaskSnapshot, event: TaskEvent): Step {
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
/** Effects do nothing in here, and `remember` is {@link rememberEvent}. */
const knownActions: ReadonlySet<string> = new Set([...effectNames, "remember"]);

const decidedInState = new Map<StateName, Map<string, Step>>();

function decisionsOf(state: StateName): Map<string, Step> {
  const decisions = decidedInState.get(state) ?? new Map<string, Step>();
  decidedInState.set(state, decisions);
  return decisions;
}

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
