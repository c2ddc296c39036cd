import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { History } from "../../../src/history/replay/history.ts";
import { type Edit, parseEdits, whatIf } from "../../../src/history/replay/whatIf.ts";
import type { EventData } from "../../../src/machines/events.ts";
import { thisMachine } from "../../../src/machines/machineVersion.ts";
import { fold } from "../../../src/machines/taskMachine.ts";
import { errorOf } from "../../support/errors.ts";
import { life, sampleData } from "../../support/history/history.ts";
import { RecordedLog } from "../../support/history/recordedLog.ts";

const stream = "alloc/web/1";
/**
 * The events, in order: requested fingerprinted sandboxed started stopRequested signalled stopTimedOut
 * forceKilled exited destroyed
 */
const killed = new RecordedLog().add(stream, life("killed")).events(stream);

const forked = (...edits: Edit[]) => whatIf(new History(stream, killed), edits);
const states = ({ history }: ReturnType<typeof forked>) =>
  [...history.moments()].map(({ after }) => after.value);

describe("an edited history", () => {
  it("diverges at an event that is dropped", () => {
    const polite = forked({ drop: 7 });
    expect(states(polite).slice(4)).toEqual(["stopping", "stopping", "stopping", "exited", "destroyed"]);
    expect(polite.fork).toBe(7);
    // In the edited history, nobody requested the kill.
    expect(polite.history.at(7)).toMatchObject({
      accepted: false,
      asRecorded: false,
      stored: { type: "forceKilled" },
    });
    expect(polite.history.at(8)).toMatchObject({ asRecorded: false, before: { value: "stopping" } });
    expect(polite.sources.map(({ recorded }) => recorded)).toEqual([1, 2, 3, 4, 5, 6, 8, 9, 10]);
  });

  it("diverges at an event that is inserted", () => {
    const lost = forked({ insert: 4, type: "lost", data: { reason: "what if" } });
    expect(states(lost).slice(3)).toEqual([
      "running",
      "lost",
      "lost",
      "lost",
      "lost",
      "lost",
      "lost",
      "destroyed",
    ]);
    expect(lost.fork).toBe(5);
    expect(lost.sources[4]).toEqual({ recorded: undefined, edited: true });
    expect(lost.history.at(5).stored.time).toBe(killed[3]?.time);
    const timed = forked({ insert: 0, type: "lost", data: { reason: "early" }, time: 7 });
    expect(timed.history.at(1)).toMatchObject({ stored: { time: 7 }, accepted: false });
  });

  it("records which fields were changed, and keeps the rest of the event", () => {
    const { history, fork, sources } = forked({ change: 9, data: { exitCode: 42 }, time: 5 });
    expect(fork).toBe(9);
    expect(history.at(9)).toMatchObject({
      stored: { time: 5 },
      asRecorded: true,
      after: { context: { exit: { ...(killed[8]?.data as EventData<"exited">), exitCode: 42 } } },
    });
    expect(sources[8]).toEqual({ recorded: 9, edited: true });
  });

  it("applies several edits together, by the recorded numbers of events", () => {
    const { sources, history } = forked(
      { insert: 6, type: "signalled", data: { signal: 1, delivered: true } },
      { drop: 5 },
      { insert: 6, type: "exited", data: { ...sampleData("exited") } },
      { change: 9, data: { exitCode: 1 } },
      { change: 9, data: { signal: 2 } },
    );
    expect(sources.map(({ recorded }) => recorded)).toEqual([
      1,
      2,
      3,
      4,
      6,
      undefined,
      undefined,
      7,
      8,
      9,
      10,
    ]);
    expect(history.events.slice(5, 7).map(({ type }) => type)).toEqual(["signalled", "exited"]);
    expect(history.events[9]?.data).toMatchObject({ exitCode: 1, signal: 2 });
  });

  it("is the fold of the remaining events, whichever are dropped", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: killed.length }), { minLength: 1 }), (dropped) => {
        const { history } = forked(...dropped.map((drop) => ({ drop })));
        const left = killed.filter(({ seq }) => !dropped.includes(seq)).map(thisMachine.readEvent);
        expect(history.finalState.context).toEqual(fold(left).context);
      }),
    );
  });

  it("leaves the recorded events as they are", () => {
    const before = structuredClone(killed);
    forked({ change: 9, data: { exitCode: 42 } }, { drop: 1 });
    expect(killed).toEqual(before);
  });
});

describe("edits", () => {
  it("are read from JSON", () => {
    const edits = [{ drop: 5 }, { change: 7, time: 1 }, { insert: 0, type: "lost", data: { reason: "x" } }];
    expect(parseEdits(JSON.stringify(edits))).toEqual(edits);
  });

  it.each([
    ["no JSON", "{", /not JSON/],
    ["no list", '{"drop": 5}', /array/],
    ["nothing", "[]", /wrong/],
    ["an event number of the wrong form", '[{"drop": 0}]', /wrong/],
    ["an unknown word", '[{"remove": 5}]', /wrong/],
    ["an unknown field beside drop", '[{"drop": 5, "why": "x"}]', /wrong/],
    ["an event without data", '[{"insert": 5, "type": "lost"}]', /wrong/],
  ])("are refused with the reason: %s", (_, text, reason) => {
    expect(errorOf(() => parseEdits(text))).toMatchObject({
      code: "EDITS_INVALID",
      message: expect.stringMatching(reason),
    });
  });

  it("are refused with each entry that is wrong, and each that names no event", () => {
    const wrong = errorOf(() => parseEdits('[{"drop": 5}, {"remove": 5}, {"drop": 6}, {"drop": "6"}]'));
    expect(wrong.message).toMatch(/:\n {2}entry 2 is no drop.*\n {2}entry 4 is no drop[^\n]*$/);
    const beyond = errorOf(() => forked({ drop: 99 }, { drop: 1 }, { change: 77 }));
    expect(beyond.message).toContain('{"drop":99}, {"change":77}: the last event is number 10');
  });

  it.each<[string, Edit, RegExp]>([
    ["name no event", { drop: 11 }, /last event is number 10/],
    [
      "insert an event of an unknown type",
      { insert: 1, type: "teleported", data: {} },
      /teleported.*requested/s,
    ],
    ["give a field a value of the wrong type", { change: 9, data: { exitCode: "one" } }, /exitCode/],
    [
      "name a field that the event does not have",
      { change: 9, data: { exitcode: 1 } },
      /no exitcode.*exitCode/,
    ],
  ])("are refused if they %s", (_, edit, reason) => {
    expect(errorOf(() => forked(edit))).toMatchObject({
      code: "EDITS_INVALID",
      message: expect.stringMatching(reason),
    });
  });
});
