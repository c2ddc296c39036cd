/** Histories as groups, as rows, and as a bar of states. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { History } from "../../src/history/replay/history.ts";
import { isError } from "../../src/history/replay/search.ts";
import { type StoryRow, StoryRows } from "../../src/inspector/page/task/storyRows.ts";
import { TimeScale } from "../../src/inspector/page/task/timeScale.ts";
import { groupSteps, groupTitle } from "../../src/inspector/views/eventGroups.ts";
import { phraseOf } from "../../src/inspector/views/phrase.ts";
import { Steps, StepTable } from "../../src/inspector/views/stepTable.ts";
import { kindNumber, stateNumber, stepNames } from "../../src/inspector/views/taskView.ts";
import type { TaskEvent } from "../../src/machines/events.ts";
import type { StoredEvent } from "../../src/store/eventStore.ts";
import { event, eventTypes, life } from "../support/history/history.ts";
import { RecordedLog } from "../support/history/recordedLog.ts";

const id = "6f2d4a9e-0c57-4d2b-8f1e-3b9a7c5d1e20/web/0a1b2c3d";

function storedOf(events: readonly TaskEvent[]): readonly StoredEvent[] {
  return new RecordedLog().add(id, events).events(id);
}

function stepsOf(stored: readonly StoredEvent[]): Steps {
  const table = new StepTable();
  for (const moment of new History(id, stored).moments()) {
    const { time, type, to } = moment.stored;
    table.add({ time, kind: kindNumber(type), state: stateNumber(to), bad: isError(moment) });
  }
  return new Steps(table, stepNames);
}

function titlesOf(events: readonly TaskEvent[]): string[] {
  const stored = storedOf(events);
  const phrases = stored.map(phraseOf);
  const steps = stepsOf(stored);
  return groupSteps(steps).map((group) => groupTitle(steps, group, (seq) => phrases[seq - 1]));
}

const begun = life("ended").slice(0, 4);
const anySteps = fc
  .array(fc.constantFrom(...eventTypes), { maxLength: 30 })
  .map((types) => stepsOf(storedOf([...begun, ...types.map((type) => event(type))])));
const checks = (count: number) => [
  ...begun,
  ...Array.from({ length: count }, () => [event("execStarted"), event("execExited")]).flat(),
  event("exited"),
];

describe("steps", () => {
  it("survive the transfer from any step on", () => {
    fc.assert(
      fc.property(anySteps, fc.nat(40), (steps, cut) => {
        const table = new StepTable();
        for (let seq = 1; seq <= steps.length; seq++) {
          const { type } = steps.kindOf(seq);
          const state = stateNumber(steps.stateAfter(seq));
          table.add({ time: steps.timeOf(seq), kind: kindNumber(type), state, bad: steps.isBad(seq) });
        }
        const [first, rest] = [table.toNumbers(1).slice(0, 2 * cut), table.toNumbers(cut + 1)];
        const sent = new StepTable();
        sent.addNumbers(first);
        sent.addNumbers(rest);
        expect(sent.toNumbers(1)).toEqual(table.toNumbers(1));
      }),
    );
  });

  it("of an unknown type are kept, too", () => {
    const table = new StepTable();
    table.add({ time: 1_700_000_000_000, kind: kindNumber("later"), state: stateNumber("later"), bad: true });
    const steps = new Steps(table, stepNames);
    expect(steps.kindOf(1).title).toBe("Event");
    expect([steps.stateAfter(1), steps.isBad(1), steps.timeOf(1)]).toEqual([
      "unknown",
      true,
      1_700_000_000_000,
    ]);
  });
});

describe("groups", () => {
  it("hold every step once, in order", () => {
    fc.assert(
      fc.property(anySteps, (steps) => {
        let next = 1;
        for (const { from, to } of groupSteps(steps)) {
          expect(from).toBe(next);
          expect(to).toBeGreaterThanOrEqual(from);
          next = to + 1;
        }
        expect(next).toBe(steps.length + 1);
      }),
    );
  });

  it("combine a request with its result", () => {
    const [start, ...rest] = titlesOf(life("stopped"));
    expect(start).toBe("Start requested → host inspected → sandbox prepared → running, after 3 ms");
    expect(rest).toEqual(["Stop requested → SIGTERM delivered → exit code 0, after 2 ms", "Destroyed"]);
  });

  it("name only the first and the last of many outcomes", () => {
    const signals = Array.from({ length: 20 }, () => event("signalled"));
    expect(titlesOf([...begun, event("stopRequested"), ...signals, event("exited")])[1]).toMatch(
      /^Stop requested( → SIGTERM delivered){4} → … → exit code 0, after /,
    );
  });

  it("fold frequent repeats, but not a few", () => {
    expect(groupSteps(stepsOf(storedOf(checks(4)))).filter(({ folded }) => folded > 1)).toEqual([]);
    expect(groupSteps(stepsOf(storedOf(checks(5))))).toMatchObject([
      { folded: 1 },
      { folded: 5, from: 5, to: 14 },
      { folded: 1 },
    ]);
    expect(titlesOf(checks(1_000))[1]).toBe("Command started ×1,000, the last: command 1: exit code 0");
  });
});

describe("rows", () => {
  const seqsOf = (rows: readonly StoryRow[]) => rows.flatMap((row) => (row.kind === "step" ? row.seq : []));

  it("have every step that is not folded away, each at the index that indexOf returns", () => {
    fc.assert(
      fc.property(anySteps, fc.integer({ min: 1, max: 34 }), (steps, opened) => {
        const rows = new StoryRows(groupSteps(steps), opened);
        const all = rows.slice(0, rows.length);
        expect(all).toHaveLength(rows.length);
        for (let seq = 1; seq <= steps.length; seq++) {
          const row = all[rows.indexOf(seq)];
          if (row?.kind === "step") expect(row.seq).toBe(seq);
          else expect(row?.isOpen).toBe(false);
        }
        const middle = Math.floor(rows.length / 2);
        expect([...rows.slice(0, middle), ...rows.slice(middle, rows.length + 5)]).toEqual(all);
      }),
    );
  });

  it("fold thousands of checks to one row, which opens", () => {
    const groups = groupSteps(stepsOf(storedOf(checks(1_000))));
    const closed = new StoryRows(groups, undefined);
    expect(seqsOf(closed.slice(0, closed.length))).toEqual([1, 2, 3, 4, 2005]);
    const open = new StoryRows(groups, 1_000);
    expect(open.length).toBe(closed.length + 2_000);
    expect(open.slice(open.indexOf(1_000), open.indexOf(1_000) + 1)).toEqual([{ kind: "step", seq: 1_000 }]);
  });
});

describe("the bar of states", () => {
  it("is full, in the order of time, and leads to the nearest step", () => {
    fc.assert(
      fc.property(anySteps, (steps) => {
        const scale = new TimeScale(steps);
        const places = Array.from({ length: steps.length }, (_, index) => scale.placeOf(index + 1));
        expect(places).toEqual(places.toSorted((a, b) => a - b));
        expect(scale.periods.reduce((sum, { width }) => sum + width, 0)).toBeCloseTo(1);
        for (const { width } of scale.periods) expect(width).toBeGreaterThan(0);
        for (const [index, place] of places.entries()) {
          expect(places[scale.stepAt(place) - 1]).toBe(place);
          expect(scale.stepAt(place)).toBeGreaterThanOrEqual(index + 1);
        }
        expect(scale.stepAt(-1)).toBe(places.lastIndexOf(places[0] ?? 0) + 1);
        expect(scale.stepAt(2)).toBe(steps.length);
      }),
    );
  });

  it("has room for each state, even for one that is very short beside the others", () => {
    const late = life("ended").map((each, index) =>
      index < 4 ? each : { ...each, time: each.time + 86_400_000 },
    );
    const { periods } = new TimeScale(stepsOf(storedOf(late)));
    expect(periods.map(({ state }) => state)).toEqual([
      ...["pending", "fingerprinted", "sandboxed", "running", "exited", "destroyed"],
    ]);
    expect(periods[3]?.spanMs).toBeGreaterThan(86_000_000);
    expect(Math.min(...periods.map(({ width }) => width))).toBeGreaterThan(0.05);
  });
});
