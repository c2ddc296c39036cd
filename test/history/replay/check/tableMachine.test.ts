import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { outcomeOf } from "../../../../src/history/replay/check/streamCheck.ts";
import { outcomeMachine, tableMachine } from "../../../../src/history/replay/check/tableMachine.ts";
import type { TaskEvent } from "../../../../src/machines/events.ts";
import { type MachineState, type MachineStep, thisMachine } from "../../../../src/machines/machineVersion.ts";
import { initialContext } from "../../../../src/machines/taskContext.ts";
import { taskStates } from "../../../../src/machines/taskMachine.ts";
import { event, eventTypes } from "../../../support/history/history.ts";

const stateNames = Object.keys(taskStates);
const histories = fc.array(fc.constantFrom(...eventTypes), { maxLength: 40 });
const machine = tableMachine();
const outcomes = outcomeMachine();

/** The step of an event. XState and the table, when it is empty and when it has the step, must agree on it. */
function agreedStep(from: MachineState, event: TaskEvent): MachineStep {
  const taken = thisMachine.step(from, event);
  for (const round of [1, 2]) {
    expect(machine.step(from, event), `${event.type} in ${from.value}, ${round}`).toEqual(taken);
  }
  return taken;
}

describe("the machine with a table", () => {
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
        const { initialSnapshot } = machine;
        types.reduce((snapshot, type) => agreedStep(snapshot, event(type)).snapshot, initialSnapshot);
      }),
      { numRuns: 500 },
    );
  });

  it("has the same outcomes without contexts", () => {
    fc.assert(
      fc.property(histories, (types) => {
        let [one, other]: MachineState[] = [thisMachine.initialSnapshot, outcomes.initialSnapshot];
        for (const type of types) {
          const [with_, without] = [
            thisMachine.step(one as MachineState, event(type)),
            outcomes.step(other as MachineState, event(type)),
          ];
          expect(outcomeOf(without)).toEqual(outcomeOf(with_));
          [one, other] = [with_.snapshot, without.snapshot];
        }
        expect(other?.context).toEqual(initialContext);
      }),
      { numRuns: 500 },
    );
  });

  it("refuses a state of another version, as XState's does", () => {
    const strange = { value: "heaven", context: initialContext };
    expect(() => machine.step(strange, event("exited"))).toThrow("no state heaven");
  });
});
