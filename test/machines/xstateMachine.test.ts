import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { TaskEvent } from "../../src/machines/events.ts";
import { initialSnapshot, type Step, step, type TaskSnapshot } from "../../src/machines/fold.ts";
import { initialContext } from "../../src/machines/taskContext.ts";
import { type StateName, taskStates } from "../../src/machines/taskMachine.ts";
import { event, eventTypes } from "../support/history/history.ts";
import { xstateStep } from "../support/history/xstateStep.ts";

const stateNames = Object.keys(taskStates) as StateName[];
const histories = fc.array(fc.constantFrom(...eventTypes), { maxLength: 40 });

/** The step of an event. The fold and XState must agree on it. */
function agreedStep(from: TaskSnapshot, event: TaskEvent): Step {
  const taken = step(from, event);
  expect(taken, `${event.type} in ${from.value}`).toEqual(xstateStep(from, event));
  return taken;
}

describe("the fold over the machine's table", () => {
  it("makes the same steps as XState, for every type of event in every state", () => {
    const steps = stateNames.flatMap((value) =>
      eventTypes.map((type) => agreedStep({ value, context: initialContext }, event(type))),
    );
    expect(steps.some(({ accepted }) => accepted)).toBe(true);
    expect(steps.some(({ accepted }) => !accepted)).toBe(true);
  });

  it("makes the same steps as XState in every history", () => {
    fc.assert(
      fc.property(histories, (types) => {
        types.reduce((snapshot, type) => agreedStep(snapshot, event(type)).snapshot, initialSnapshot);
      }),
      { numRuns: 500 },
    );
  });

  it.each(["vanished", "constructor", "__proto__", ""])(
    "refuses an event of the unknown type %j, as XState does",
    (type) => {
      const unknown = { ...event("exited"), type } as TaskEvent;
      for (const value of stateNames) {
        const { accepted, snapshot } = agreedStep({ value, context: initialContext }, unknown);
        expect(accepted).toBe(false);
        expect(snapshot.value).toBe(value);
      }
    },
  );
});
