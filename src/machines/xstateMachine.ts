/** The machine in XState: for charts (Stately, the inspector), and to verify the fold. */
import { assign, setup } from "xstate";
import { type EffectName, effectNames } from "./effects.ts";
import type { TaskEvent } from "./events.ts";
import { evolve, initialContext, type TaskContext } from "./taskContext.ts";
import { taskStates } from "./taskMachine.ts";

/** For the machine, effects are only names: they do nothing here. */
const named = () => undefined;
const effects = Object.fromEntries(effectNames.map((name) => [name, named])) as Record<
  EffectName,
  typeof named
>;

export const taskMachine = setup({
  types: { context: {} as TaskContext, events: {} as TaskEvent },
  actions: {
    ...effects,
    evolve: assign(({ context, event }) => evolve(context, event)),
  },
}).createMachine({ id: "task", context: initialContext, initial: "pending", states: taskStates });
