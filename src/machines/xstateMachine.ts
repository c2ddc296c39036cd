/** The machine as XState has it: for whoever looks at it (Stately, the inspector's chart), and to prove the fold. */
import { assign, setup } from "xstate";
import type { EffectName } from "./effects.ts";
import type { TaskEvent } from "./events.ts";
import { initialContext, rememberEvent, type TaskContext } from "./taskContext.ts";
import { taskStates } from "./taskMachine.ts";

/** To the machine effects are names; nothing happens here. */
const named = () => undefined;
const effects: Record<EffectName, typeof named> = {
  inspectHost: named,
  prepareSandbox: named,
  launch: named,
  watchExit: named,
  sendStopSignal: named,
  startKillTimer: named,
  killRun: named,
  releaseRun: named,
};

export const taskMachine = setup({
  types: { context: {} as TaskContext, events: {} as TaskEvent },
  actions: {
    ...effects,
    remember: assign(({ context, event }) => rememberEvent(context, event)),
  },
}).createMachine({ id: "task", context: initialContext, initial: "pending", states: taskStates });
