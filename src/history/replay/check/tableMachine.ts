/**
 * This version's machine for checks of whole logs and the inspector's index alone. XState computes the first
 * step of each pair of state and type of event, and a table keeps its outcome for later steps: the machine has
 * no guards, so nothing else determines the outcome. With XState for each step, the check of a million events
 * would take twice as long (`node bench/replay.ts`). Pure.
 */
import { EVENT_SCHEMA_VERSION, eventCatalogue, isEventType } from "../../../machines/events.ts";
import { type MachineState, type MachineVersion, thisMachine } from "../../../machines/machineVersion.ts";
import { evolve } from "../../../machines/taskContext.ts";
import { type EncodedCheck, encodedCheck } from "../../../store/encodedCheck.ts";
import type { ReadOptions } from "../../../store/eventRecord.ts";
import { type Outcome, outcomeOf } from "./streamCheck.ts";

/** Returns a machine with an empty table. */
export function tableMachine(): MachineVersion {
  return withTable(new Table(), (snapshot, event) => ({
    ...snapshot.context,
    ...evolve(snapshot.context, event),
  }));
}

/** A machine for checks that reads most events without their data. */
export interface OutcomeMachine extends MachineVersion {
  /** The data that it need not read: only their type and shape matter, and both are as they should be. */
  readonly isKnown: NonNullable<ReadOptions["isKnown"]>;
}

/**
 * Returns a machine for checks, which compare outcomes alone: its states keep the context of the first state.
 * The contexts of the tasks of a log, folded at the same time, would occupy the garbage collector.
 */
export function outcomeMachine(): OutcomeMachine {
  const table = new Table();
  return {
    ...withTable(table, ({ context }) => context),
    // XState needs the data for the step that it computes.
    isKnown: ({ type, schema, from }, bytes, part) =>
      schema === EVENT_SCHEMA_VERSION &&
      table.outcome(from, type) !== undefined &&
      dataCheckOf(type)?.(bytes, part) === true,
    readEvent: (event) =>
      event.data === undefined ? (event as unknown as StepEvent) : thisMachine.readEvent(event),
  };
}

type StepEvent = Parameters<MachineVersion["step"]>[1];
type Evolve = (snapshot: MachineState, event: StepEvent) => MachineState["context"];

/** The outcomes of the pairs of state and type of event that have occurred. */
class Table {
  readonly #ofStates = new Map<string, Map<string, Outcome>>();

  outcome(state: string, type: string): Outcome | undefined {
    return this.#ofStates.get(state)?.get(type);
  }

  add(state: string, type: string, outcome: Outcome): void {
    const ofTypes = this.#ofStates.get(state) ?? new Map();
    this.#ofStates.set(state, ofTypes.set(type, outcome));
  }
}

function withTable(table: Table, contextAfter: Evolve): MachineVersion {
  return {
    ...thisMachine,
    step(snapshot, event) {
      let known = table.outcome(snapshot.value, event.type);
      if (known === undefined) {
        known = outcomeOf(thisMachine.step(snapshot, event));
        table.add(snapshot.value, event.type, known);
      }
      const { from, to, effects, accepted } = known;
      const after = accepted ? { value: to, context: contextAfter(snapshot, event) } : snapshot;
      return { snapshot: after, from, to, effects, accepted };
    },
  };
}

const dataChecks = new Map<string, EncodedCheck>();

function dataCheckOf(type: string): EncodedCheck | undefined {
  let check = dataChecks.get(type);
  if (check === undefined && isEventType(type)) {
    check = encodedCheck(eventCatalogue[type].schema);
    dataChecks.set(type, check);
  }
  return check;
}
