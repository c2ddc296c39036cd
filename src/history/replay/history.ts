/**
 * A task's history as a list of moments, with random access. A moment is an event with the states before and
 * after it. A state machine computes these states: by default, the machine of this version. Pure.
 */

import type { TaskEvent } from "../../machines/events.ts";
import { type MachineState, type MachineVersion, thisMachine } from "../../machines/machineVersion.ts";
import { isStateName, reportsOf } from "../../machines/taskMachine.ts";
import type { StoredEvent } from "../../store/eventStore.ts";
import { isAsRecorded, reasonOf } from "./check/streamCheck.ts";
import { isDamaged } from "./storedHistory.ts";

/** An event and its result. */
export interface Moment {
  /** Number of the event in its stream, from 1. */
  readonly seq: number;
  /** The event as it is stored. */
  readonly stored: StoredEvent;
  /** The event as the machine reads it; undefined if the machine cannot read it. */
  readonly event: TaskEvent | undefined;
  /** Why the machine cannot read the event. */
  readonly problem: string | undefined;
  readonly before: MachineState;
  readonly after: MachineState;
  /** Names of the effects that the machine requests. */
  readonly effects: readonly string[];
  /** False if the machine refuses the event in its state. */
  readonly accepted: boolean;
  /** Whether states and effects are the recorded ones. */
  readonly asRecorded: boolean;
  /** Milliseconds since the previous event; undefined for the first, negative if the clock was set back. */
  readonly sinceBefore: number | undefined;
}

export const damagedText = "its bytes have changed";

/** Number of events between two kept states. A step back folds fewer events than this. */
const CHECKPOINT_EVERY = 64;

export class History {
  /** The task's id. */
  readonly stream: string;
  readonly machine: MachineVersion;
  readonly #events: readonly StoredEvent[];
  #checkpoints: MachineState[];
  /** The last state that was read. Most reads continue from there. */
  #at: { readonly seq: number; readonly state: MachineState };

  /** @param events of one stream, from its first event on. If the caller appends to them, the history grows */
  constructor(stream: string, events: readonly StoredEvent[], machine = thisMachine) {
    this.stream = stream;
    this.machine = machine;
    this.#events = events;
    this.#checkpoints = [machine.initialSnapshot];
    this.#at = { seq: 0, state: machine.initialSnapshot };
  }

  /** Number of the last event. */
  get length(): number {
    return this.#events.length;
  }

  get events(): readonly StoredEvent[] {
    return this.#events;
  }

  /** This history with further events. Keeps the states that were folded already. */
  extended(more: readonly StoredEvent[]): History {
    const longer = new History(this.stream, [...this.#events, ...more], this.machine);
    longer.#checkpoints = this.#checkpoints.slice();
    longer.#at = this.#at;
    return longer;
  }

  /**
   * The moment of event number `seq`.
   * @throws RangeError if there is no such event
   */
  at(seq: number): Moment {
    const before = this.stateAfter(seq - 1);
    const stored = this.#stored(seq);
    const moment = this.#take(before, stored);
    this.#remember(seq, moment.after);
    return moment;
  }

  /**
   * The state after event number `seq`; 0 is the state before the first event.
   * @throws RangeError if there is no such event
   */
  stateAfter(seq: number): MachineState {
    if (seq < 0 || seq > this.length) throw new RangeError(`no event ${seq} among ${this.length}`);
    const checkpoint = Math.min(Math.floor(seq / CHECKPOINT_EVERY), this.#checkpoints.length - 1);
    let at = { seq: checkpoint * CHECKPOINT_EVERY, state: this.#checkpoints[checkpoint] as MachineState };
    if (this.#at.seq > at.seq && this.#at.seq <= seq) at = this.#at;
    while (at.seq < seq) {
      at = { seq: at.seq + 1, state: this.#take(at.state, this.#stored(at.seq + 1)).after };
      this.#remember(at.seq, at.state);
    }
    return at.state;
  }

  /** The state after the last event. */
  get finalState(): MachineState {
    return this.stateAfter(this.length);
  }

  /** All moments, from event number `from` on. */
  *moments(from = 1): Iterable<Moment> {
    for (let seq = from; seq <= this.length; seq++) yield this.at(seq);
  }

  #remember(seq: number, state: MachineState): void {
    this.#at = { seq, state };
    if (seq === this.#checkpoints.length * CHECKPOINT_EVERY) this.#checkpoints.push(state);
  }

  #stored(seq: number): StoredEvent {
    const stored = this.#events[seq - 1];
    if (stored === undefined) throw new RangeError(`no event ${seq} among ${this.length}`);
    return stored;
  }

  #take(before: MachineState, stored: StoredEvent): Moment {
    const earlier = this.#events[stored.seq - 2];
    return momentOf(this.machine, before, stored, earlier && stored.time - earlier.time);
  }
}

/** Applies an event to a machine, as a moment. @param sinceBefore milliseconds since the previous event */
export function momentOf(
  machine: MachineVersion,
  before: MachineState,
  stored: StoredEvent,
  sinceBefore: number | undefined,
): Moment {
  const place = { seq: stored.seq, stored, before, sinceBefore };
  try {
    const event = machine.readEvent(stored);
    const taken = machine.step(before, event);
    const { snapshot: after, effects, accepted } = taken;
    const asRecorded = isAsRecorded(stored, taken);
    return { ...place, event, problem: undefined, after, effects, accepted, asRecorded };
  } catch (thrown) {
    const nothing = { event: undefined, effects: [], accepted: false, asRecorded: false };
    if (!isDamaged(stored)) return { ...place, ...nothing, after: before, problem: reasonOf(thrown) };
    // Continues in the recorded state, because later events happened in that state.
    const value = isStateName(stored.to) ? stored.to : before.value;
    return { ...place, ...nothing, after: { ...before, value }, problem: damagedText };
  }
}

/** The result of one of a moment's effects. */
export interface EffectOutcome {
  readonly effect: string;
  /** The event that reports it; undefined if there is none (yet). */
  readonly report: Moment | undefined;
}

/** Pairs each effect with the first later event that reports the result of an effect of this kind. */
export function effectOutcomes(history: History, { seq, effects }: Moment): EffectOutcome[] {
  return effects.map((effect) => ({ effect, report: reportOf(history, seq, effect) }));
}

function reportOf(history: History, seq: number, effect: string): Moment | undefined {
  const types = reportsOf(effect) ?? [];
  const index = history.events.findIndex((event) => event.seq > seq && types.includes(event.type));
  return index === -1 ? undefined : history.at(index + 1);
}
