/**
 * This version's machine for checks of whole logs and the inspector's index alone. XState computes the first
 * step of each pair of state and type of event, and a table keeps its outcome for later steps: the machine has
 * no guards, so nothing else determines the outcome. With XState for each step, the check of a million events
 * would take 31 s of processor time instead of 16 (`node bench/replay.ts`). Pure.
 */
import { type MachineVersion, thisMachine } from "../../../machines/machineVersion.ts";
import { evolve } from "../../../machines/taskContext.ts";
import { type Outcome, outcomeOf } from "./streamCheck.ts";

/** Returns a machine with an empty table. */
export function tableMachine(): MachineVersion {
  const table = new Map<string, Outcome>();
  return {
    ...thisMachine,
    step(snapshot, event) {
      const pair = `${snapshot.value} ${event.type}`;
      const known = table.get(pair);
      if (known === undefined) {
        const taken = thisMachine.step(snapshot, event);
        table.set(pair, outcomeOf(taken));
        return taken;
      }
      if (!known.accepted) return { ...known, snapshot };
      const context = { ...snapshot.context, ...evolve(snapshot.context, event) };
      return { ...known, snapshot: { value: known.to, context } };
    },
  };
}
