/** The machine in XState: for charts (Stately, the inspector), and to verify the fold. Pure. */
import { assign, setup } from "xstate";
import { type EffectName, effectNames } from "./effects.ts";
import type { TaskEvent } from "./events.ts";
import { evolve, initialContext, type TaskContext } from "./taskContext.ts";
import { taskStates } from "./taskMachine.ts";

/** In XState's machine, effects are only names, and do nothing. */
const noEffect = () => undefined;
const effects = Object.fromEntries(effectNames.map((name) => [name, noEffect])) as Record<
  EffectName,
  typeof noEffect
>;

export const taskMachine = setup({
  types: { context: {} as TaskContext, events: {} as TaskEvent },
  actions: {
    ...effects,
    evolve: assign(({ context, event }) => evolve(context, event)),
  },
}).createMachine({ id: "task", context: initialContext, initial: "pending", states: taskStates });
