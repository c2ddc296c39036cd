/** The step that XState itself computes for an event. */
import { transition } from "xstate";
import type { EffectName } from "../../../src/machines/effects.ts";
import type { TaskEvent } from "../../../src/machines/events.ts";
import type { Step, TaskSnapshot } from "../../../src/machines/fold.ts";
import { taskMachine } from "../../../src/machines/xstateMachine.ts";

export function xstateStep(from: TaskSnapshot, event: TaskEvent): Step {
  const before = taskMachine.resolveState(from);
  const [after, actions] = transition(taskMachine, before, event);
  return {
    snapshot: { value: after.value, context: after.context },
    from: before.value,
    to: after.value,
    effects: actions.map(({ type }) => type as EffectName),
    accepted: after !== before,
  };
}
