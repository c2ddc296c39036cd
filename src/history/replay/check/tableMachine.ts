/**
 * This version's machine for checks of whole logs and the inspector's index alone. XState computes the first
 * step of each pair of state and type of event, and a table keeps its outcome for later steps: the machine has
 * no guards, so nothing else determines the outcome. With XState for each step, the check of a million events
 * would take twice as long (`node bench/replay.ts`). Pure.
 */
import { type MachineState, type MachineVersion, thisMachine } from "../../../machines/machineVersion.ts";
import { evolve } from "../../../machines/taskContext.ts";
import { type Outcome, outcomeOf } from "./streamCheck.ts";

/** Returns a machine with an empty table. */
export function tableMachine(): MachineVersion {
  return withTable((snapshot, event) => ({ ...snapshot.context, ...evolve(snapshot.context, event) }));
}

/**
 * Returns a machine for checks, which compare outcomes alone: its states keep the context of the first state.
 * The contexts of the tasks of a log, folded at the same time, would occupy the garbage collector.
 */
export function outcomeMachine(): MachineVersion {
  return withTable(({ context }) => context);
}

type Evolve = (
  snapshot: MachineState,
  event: Parameters<MachineVersion["step"]>[1],
) => MachineState["context"];

function withTable(contextAfter: Evolve): MachineVersion {
  const table = new Map<string, Outcome>();
  return {
    ...thisMachine,
    step(snapshot, event) {
      const pair = `${snapshot.value} ${event.type}`;
      let known = table.get(pair);
      if (known === undefined) {
        known = outcomeOf(thisMachine.step(snapshot, event));
        table.set(pair, known);
      }
      if (!known.accepted) return { ...known, snapshot };
      return { ...known, snapshot: { value: known.to, context: contextAfter(snapshot, event) } };
    },
  };
}
