/** Histories as groups, and along a bar. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { stepAt, timeScale } from "../../src/inspector/page/task/timeScale.ts";
import { groupSteps } from "../../src/inspector/views/eventGroups.ts";
import { type StepLine, stepLine } from "../../src/inspector/views/story.ts";
import type { TaskEvent } from "../../src/machines/events.ts";
import { History } from "../../src/replay/history.ts";
import { life } from "../support/agent/lives.ts";
import { event, eventTypes } from "../support/history/history.ts";
import { RecordedLog } from "../support/history/recordedLog.ts";

const id = "6f2d4a9e-0c57-4d2b-8f1e-3b9a7c5d1e20/web/0a1b2c3d";

function stepsOf(events: readonly TaskEvent[]): StepLine[] {
  const history = new History(id, new RecordedLog().add(id, events).events(id));
  return Array.from(history.moments(), stepLine);
}

const begun = life("ended").slice(0, 4);
const anyLife = fc
  .array(fc.constantFrom(...eventTypes), { maxLength: 30 })
  .map((types) => stepsOf([...begun, ...types.map((type) => event(type))]));

describe("groups", () => {
  it("hold every step once, in order", () => {
    fc.assert(
      fc.property(anyLife, (steps) => {
        const groups = groupSteps(steps);
        expect(groups.flatMap(({ from, to }) => steps.slice(from - 1, to))).toEqual(steps);
      }),
    );
  });

  it("put a request together with what came of it", () => {
    const [start, ...rest] = groupSteps(stepsOf(life("stopped")));
    expect(start?.title).toBe("Start requested → host inspected → sandbox prepared → running, after 3 ms");
    expect(rest.map(({ title }) => title)).toEqual([
      "Stop requested → SIGTERM delivered → exit code 0, after 2 ms",
      "Destroyed",
    ]);
  });

  it("fold what is done again and again, and nothing that is done a few times", () => {
    const checks = (count: number) =>
      stepsOf([
        ...begun,
        ...Array.from({ length: count }, () => [event("execStarted"), event("execExited")]).flat(),
        event("exited"),
      ]);
    expect(groupSteps(checks(4)).filter(({ folded }) => folded)).toEqual([]);
    expect(groupSteps(checks(5))).toMatchObject([
      { folded: false },
      { folded: true, from: 5, to: 14, title: "Command started ×5, the last: command 1: exit code 0" },
      { folded: false, title: "Ended" },
    ]);
  });
});

describe("the bar of states", () => {
  it("is full, in the order of time, and leads to the step that is nearest", () => {
    fc.assert(
      fc.property(anyLife, (steps) => {
        const scale = timeScale(steps);
        const { periods, places } = scale;
        expect(places).toHaveLength(steps.length);
        expect(places).toEqual(places.toSorted((a, b) => a - b));
        expect(periods.reduce((sum, { width }) => sum + width, 0)).toBeCloseTo(1);
        for (const { width } of periods) expect(width).toBeGreaterThan(0);
        for (const [index, place] of places.entries()) {
          expect(places[stepAt(scale, place) - 1]).toBe(place);
          expect(stepAt(scale, place)).toBeGreaterThanOrEqual(index + 1);
        }
        expect(stepAt(scale, -1)).toBe(places.lastIndexOf(places[0] ?? 0) + 1);
        expect(stepAt(scale, 2)).toBe(steps.length);
      }),
    );
  });

  it("has room for each state, however short beside the others", () => {
    const steps = stepsOf(life("ended"));
    const late = steps.map((step, index) => (index < 4 ? step : { ...step, time: step.time + 86_400_000 }));
    const { periods } = timeScale(late);
    expect(periods.map(({ state }) => state)).toEqual([
      ...["pending", "fingerprinted", "sandboxed", "running", "exited", "destroyed"],
    ]);
    expect(periods[3]?.spanMs).toBeGreaterThan(86_000_000);
    expect(Math.min(...periods.map(({ width }) => width))).toBeGreaterThan(0.05);
  });
});
