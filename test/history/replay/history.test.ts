import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { contextDiff } from "../../../src/history/replay/contextDiff.ts";
import { effectOutcomes, History } from "../../../src/history/replay/history.ts";
import {
  enters,
  isError,
  isOfType,
  mentions,
  momentAt,
  nextMoment,
  previousMoment,
} from "../../../src/history/replay/search.ts";
import { fold, initialSnapshot, step } from "../../../src/machines/taskMachine.ts";
import { allLives, event, type Life, life } from "../../support/history/history.ts";
import { RecordedLog } from "../../support/history/recordedLog.ts";

const stream = "alloc/web/1";

function historyOf(name: Life): History {
  return new History(stream, new RecordedLog().add(stream, life(name)).events(stream));
}

/** A history that is long enough for several checkpoints. */
const long = [...life("ended").slice(0, 4), ...Array.from({ length: 300 }, () => event("signalled"))];
const longEvents = new RecordedLog().add(stream, long).events(stream);

describe("a history", () => {
  it("has at each moment the state that the fold has there, in whichever direction it is reached", () => {
    let state = initialSnapshot;
    const states = long.map((each) => {
      state = step(state, each).snapshot;
      return state;
    });
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: long.length }), { minLength: 1 }), (steps) => {
        const history = new History(stream, longEvents);
        for (const seq of steps) {
          expect(history.at(seq).after.context).toEqual(states[seq - 1]?.context);
          expect(history.at(seq).after.value).toBe(states[seq - 1]?.value);
          expect(history.stateAfter(seq - 1)).toBe(history.at(seq).before);
        }
      }),
      { numRuns: 30 },
    );
  });

  it("folds few events again to step back", () => {
    let steps = 0;
    const { machine } = historyOf("ended");
    const counted = {
      ...machine,
      step: (...taken: Parameters<typeof machine.step>) => {
        steps += 1;
        return machine.step(...taken);
      },
    };
    const history = new History(stream, longEvents, counted);
    for (const _ of history.moments()) {
    }
    expect(steps).toBe(long.length);
    steps = 0;
    history.at(long.length - 1);
    expect(steps).toBeLessThanOrEqual(65);
  });

  it("can be continued with new events, and folds only these", () => {
    const length = fc.integer({ min: 0, max: long.length });
    const { context } = fold(long);
    fc.assert(
      fc.property(length, length, (known, looked) => {
        const begun = new History(stream, longEvents.slice(0, known));
        const last = begun.stateAfter(Math.min(known, looked));
        const history = begun.extended(longEvents.slice(known));
        expect(history.length).toBe(long.length);
        expect(history.stateAfter(Math.min(known, looked))).toBe(last);
        expect(history.stateAfter(long.length).context).toEqual(context);
        expect(history.at(long.length).asRecorded).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  it("has event, effects and the time since the previous event for each moment", () => {
    const moments = [...historyOf("killed").moments()];
    expect(moments.map(({ after }) => after.value)).toEqual([
      ...["pending", "fingerprinted", "sandboxed", "running", "stopping", "stopping", "killing", "killing"],
      ...["exited", "destroyed"],
    ]);
    expect(moments[4]).toMatchObject({
      seq: 5,
      effects: ["sendStopSignal", "startKillTimer"],
      sinceBefore: 1,
    });
    expect(moments[0]?.sinceBefore).toBeUndefined();
    for (const moment of moments) expect(moment).toMatchObject({ accepted: true, asRecorded: true });
  });

  it("continues after an event that this version cannot read", () => {
    const events = new RecordedLog().add(stream, life("ended")).events(stream);
    const [first, ...rest] = events;
    if (first === undefined) throw new Error("no event");
    const history = new History(stream, [
      first,
      { ...(rest[0] as typeof first), schema: 999 },
      ...rest.slice(1),
    ]);
    expect(history.at(2)).toMatchObject({
      event: undefined,
      problem: expect.stringContaining("999"),
      asRecorded: false,
    });
    const { before, after } = history.at(2);
    expect(after).toBe(before);
    expect(history.at(3)).toMatchObject({ accepted: false, asRecorded: false });
  });

  it("has a moment for each of its events, and no others", () => {
    const history = historyOf("ended");
    for (const seq of [0, -1, history.length + 1]) expect(() => history.at(seq)).toThrow(RangeError);
    expect(history.stateAfter(0).value).toBe("pending");
    expect([...new History(stream, []).moments()]).toEqual([]);
  });
});

describe("a search in a history", () => {
  it("finds states, types, times and texts in both directions", () => {
    const history = historyOf("killed");
    expect(nextMoment(history, 0, enters("stopping"))?.seq).toBe(5);
    expect(nextMoment(history, 5, enters("stopping"))).toBeUndefined();
    expect(nextMoment(history, 0, isOfType("signalled"))?.seq).toBe(6);
    expect(previousMoment(history, 10, isOfType("signalled"))?.seq).toBe(6);
    expect(previousMoment(history, 6, isOfType("signalled"))).toBeUndefined();
    expect(nextMoment(history, 0, mentions("NOMAD-80001"))?.seq).toBe(1);
    // The search sees texts as the screen shows them, not as they are stored.
    const shown = (text: string) => nextMoment(history, 0, mentions(text))?.stored.type;
    expect(shown("exit code")).toBe("exited");
    expect(shown("process.init.pid")).toBe("started");
    const { time } = history.at(4).stored;
    expect(momentAt(history, time)?.seq).toBe(4);
    expect(momentAt(history, time + 0.5)?.seq).toBe(4);
    expect(momentAt(history, 0)).toBeUndefined();
  });

  it("recognizes a second entry into a state by the state's effects", () => {
    const history = historyOf("recovered");
    expect(nextMoment(history, 5, enters("recovered"))?.seq).toBe(6);
  });

  it.each<[Life, number | undefined]>([
    ["ended", undefined],
    ["stopped", undefined],
    ["killed", 7],
    ["failed", 3],
    ["recovered", undefined],
    ["lost", 5],
  ])("finds the first error of a task that %s", (name, seq) => {
    expect(nextMoment(historyOf(name), 0, isError)?.seq).toBe(seq);
  });

  it("counts an exit as an error unless it was requested", () => {
    const exit = (before: readonly Life[], exitCode: number, oomKilled = false) => {
      const events = [
        ...before.flatMap((name) => life(name).slice(0, -2)),
        event("exited", { exitCode, oomKilled }),
      ];
      return nextMoment(new History(stream, new RecordedLog().add(stream, events).events(stream)), 0, isError)
        ?.seq;
    };
    expect(exit(["ended"], 1)).toBe(5);
    expect(exit(["ended"], 0, true)).toBe(5);
    expect(exit(["stopped"], 143)).toBeUndefined();
    expect(exit(["stopped"], 137, true)).toBe(7);
  });
});

describe("the outcomes of effects", () => {
  it("are the next events that report them", () => {
    const history = historyOf("killed");
    const outcomes = [...history.moments()].flatMap((moment) =>
      effectOutcomes(history, moment).map(({ effect, report }) => [effect, report?.seq]),
    );
    expect(outcomes).toEqual([
      ["inspectHost", 2],
      ["prepareSandbox", 3],
      ["launch", 4],
      ["watchExit", 9],
      ["sendStopSignal", 6],
      ["startKillTimer", 7],
      ["killRun", 8],
      ["releaseRun", undefined],
    ]);
  });
});

describe("a difference of contexts", () => {
  it("names what was added, changed and removed, entry by entry", () => {
    expect(
      contextDiff({ a: 1, b: { c: [1, 2], d: "x" } }, { a: 1, b: { c: [1, 3, 4], d: "x" }, e: null }),
    ).toEqual([
      { path: ["b", "c", "1"], before: 2, after: 3 },
      { path: ["b", "c", "2"], before: undefined, after: 4 },
      { path: ["e"], before: undefined, after: null },
    ]);
    expect(contextDiff({ stop: null }, { stop: { signal: 2, more: { x: [] } } })).toEqual([
      { path: ["stop", "signal"], before: undefined, after: 2 },
      { path: ["stop", "more", "x"], before: undefined, after: [] },
    ]);
    expect(contextDiff({ stop: { signal: 2 } }, { stop: null })).toEqual([
      { path: ["stop", "signal"], before: 2, after: undefined },
    ]);
    expect(contextDiff({ a: [1] }, { a: { 0: 1 } })).toEqual([{ path: ["a"], before: [1], after: { 0: 1 } }]);
    expect(contextDiff({ a: null }, { a: {} })).toEqual([{ path: ["a"], before: null, after: {} }]);
  });

  it("is empty for the same data, and never otherwise", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (one, other) => {
        expect(contextDiff(one, structuredClone(one))).toEqual([]);
        const same = JSON.stringify(one) === JSON.stringify(other);
        if (contextDiff(one, other).length === 0 && !same) expect(one).toEqual(other);
      }),
    );
  });

  it("follows every life of a task without a gap", () => {
    for (const name of allLives) {
      for (const { before, after, accepted } of historyOf(name).moments()) {
        const changed = contextDiff(before.context, after.context).length > 0;
        expect(changed).toBe(accepted && JSON.stringify(before.context) !== JSON.stringify(after.context));
      }
    }
  });
});
