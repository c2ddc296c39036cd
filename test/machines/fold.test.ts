import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseTaskEvent, type TaskEvent } from "../../src/machines/events.ts";
import {
  effectNames,
  fold,
  initialSnapshot,
  isAlive,
  isOver,
  type StateName,
  step,
  taskStates,
} from "../../src/machines/taskMachine.ts";
import { event, eventTypes, sampleData } from "../support/history/history.ts";

const histories = fc.array(fc.constantFrom(...eventTypes), { maxLength: 30 });

describe("the fold", () => {
  it("gives the same state and effects for the same events, whenever it runs", () => {
    fc.assert(
      fc.property(histories, (types) => {
        const events = types.map((type) => event(type));
        expect(JSON.stringify(fold(events))).toBe(JSON.stringify(fold(events)));
      }),
    );
  });

  it("can be stopped and resumed after any event", () => {
    fc.assert(
      fc.property(histories, fc.nat(30), (types, at) => {
        const events = types.map((type) => event(type));
        let snapshot = fold(events.slice(0, at));
        for (const later of events.slice(at)) snapshot = step(snapshot, later).snapshot;
        expect(JSON.stringify(snapshot)).toBe(JSON.stringify(fold(events)));
      }),
    );
  });

  it("changes nothing for a refused event", () => {
    fc.assert(
      fc.property(histories, (types) => {
        let snapshot = initialSnapshot;
        for (const type of types) {
          const taken = step(snapshot, event(type));
          if (!taken.accepted) {
            expect(taken.snapshot).toBe(snapshot);
            expect(taken.effects).toEqual([]);
          }
          snapshot = taken.snapshot;
        }
      }),
    );
  });

  it.each(["vanished", "constructor", "__proto__", ""])("refuses an event of the unknown type %j", (type) => {
    for (const value of Object.keys(taskStates) as StateName[]) {
      const snapshot = { ...initialSnapshot, value };
      const taken = step(snapshot, { ...event("exited"), type } as TaskEvent);
      expect(taken).toMatchObject({ accepted: false, effects: [], to: value });
      expect(taken.snapshot).toBe(snapshot);
    }
  });

  it("never returns from a final state to a living one, and names known effects only", () => {
    fc.assert(
      fc.property(histories, (types) => {
        let snapshot = initialSnapshot;
        for (const type of types) {
          const taken = step(snapshot, event(type));
          if (isOver(taken.from)) expect(isAlive(taken.to)).toBe(false);
          for (const effect of taken.effects) expect(effectNames).toContain(effect);
          snapshot = taken.snapshot;
        }
      }),
    );
  });

  it("forgets everything before a request", () => {
    fc.assert(
      fc.property(histories, (types) => {
        const { snapshot, accepted } = step(fold(types.map((type) => event(type))), event("requested"));
        if (accepted) {
          expect(snapshot.context).toEqual({ ...initialSnapshot.context, request: sampleData("requested") });
        }
      }),
    );
  });

  it("does not mix up two tasks that are folded in turn", () => {
    const first = step(initialSnapshot, event("requested", { taskName: "first" }));
    const second = step(initialSnapshot, event("requested", { taskName: "second" }));
    expect(first.snapshot.context.request?.taskName).toBe("first");
    expect(second.snapshot.context.request?.taskName).toBe("second");
    expect(first.effects).toEqual(["inspectHost"]);
    expect(initialSnapshot.value).toBe("pending");
  });
});

describe("events from elsewhere", () => {
  it("are accepted in the form in which they were written", () => {
    for (const type of eventTypes) {
      const { time, data } = event(type);
      expect(parseTaskEvent(type, time, structuredClone(data))).toEqual({ type, time, data });
    }
  });

  it("are refused with the name of the wrong field", () => {
    expect(() => parseTaskEvent("started", 1, { init: { pid: "1", startTicks: 2 } })).toThrow(/init/);
    expect(() => parseTaskEvent("vanished", 1, {})).toThrow(/requested/);
  });
});
