import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { setup } from "xstate";
import { askMachine, initialSnapshot, type Step, step } from "../../src/machines/fold.ts";
import { isDecidedByState } from "../../src/machines/stateDecisions.ts";
import { event, eventTypes } from "../support/history.ts";

const histories = fc.array(fc.constantFrom(...eventTypes), { maxLength: 40 });

/** A step without the functions of its snapshot. */
const plain = ({ snapshot, ...rest }: Step) => ({ ...rest, snapshot: JSON.parse(JSON.stringify(snapshot)) });

describe("decisions that are remembered", () => {
  it("are those of XState, at every event of every history", () => {
    fc.assert(
      fc.property(histories, (types) => {
        let quick = initialSnapshot;
        let asked = initialSnapshot;
        for (const type of types) {
          const each = event(type);
          const [mine, theirs] = [step(quick, each), askMachine(asked, each)];
          expect(plain(mine)).toEqual(plain(theirs));
          expect(mine.snapshot.status).toBe(theirs.snapshot.status);
          expect(mine.snapshot.can(event("destroyed"))).toBe(theirs.snapshot.can(event("destroyed")));
          quick = mine.snapshot;
          asked = theirs.snapshot;
        }
      }),
      { numRuns: 500 },
    );
  });
});

const known = new Set(["act"]);

/** Whether what `go` leads to from `a` is decided by the state in a machine with such states. */
const decided = (states: object, root: object = {}) => {
  const machine = setup({
    types: { events: {} as { type: "go" } },
    actions: { act: () => undefined, other: () => undefined },
    guards: { allowed: () => true },
  }).createMachine({ initial: "a", ...root, states: { b: {}, ...states } } as never);
  return isDecidedByState(machine, known, { from: "a", to: "b", type: "go" });
};

describe("what decides", () => {
  it("is the state where only targets and known actions stand", () => {
    expect(decided({ a: { on: { go: { target: "b", actions: "act", reenter: true } } } })).toBe(true);
    expect(decided({ a: { entry: ["act"], on: { go: { actions: ["act", "act"] } } } })).toBe(true);
    expect(decided({ a: {} })).toBe(true);
  });

  it.each<[string, object, object?]>([
    ["a guard", { a: { on: { go: { target: "b", guard: "allowed" } } } }],
    ["a choice of transitions", { a: { on: { go: [{ target: "b", guard: "allowed" }, {}] } } }],
    ["a wildcard", { a: { on: { "*": { target: "b" } } } }],
    ["an action of which nothing is known", { a: { on: { go: { target: "b", actions: "other" } } } }],
    ["an action given as a function", { a: { on: { go: { target: "b", actions: () => undefined } } } }],
    ["an unknown action on entry", { a: { on: { go: { target: "b" } } }, b: { entry: "other" } }],
    ["an action on exit", { a: { exit: "act", on: { go: { target: "b" } } } }],
    [
      "an eventless transition",
      { a: { on: { go: { target: "b" } } }, b: { always: { target: "c" } }, c: {} },
    ],
    ["a delayed transition", { a: { after: { 10: "b" }, on: { go: { target: "b" } } } }],
    ["states within the state", { a: { initial: "x", states: { x: {} }, on: { go: { target: "b" } } } }],
    ["a transition of the whole machine", { a: {} }, { on: { go: { target: ".b" } } }],
  ])("is more with %s", (_, states, root) => {
    expect(decided(states, root)).toBe(false);
  });
});
