/** Runs as lanes: spans and marks from events, folding of narrow runs, and steps from error to error. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { foldRuns, outcomesText, worstTone } from "../../../src/inspector/page/lanes/foldRuns.ts";
import { errorsOf, nextError } from "../../../src/inspector/page/lanes/laneErrors.ts";
import {
  type AllocationView,
  allocationView,
  extendLane,
  type LaneRun,
} from "../../../src/inspector/views/allocationView.ts";
import type { TaskSummary } from "../../../src/inspector/views/taskSummary.ts";
import { EVENT_SCHEMA_VERSION, type TaskEvent } from "../../../src/machines/events.ts";
import { initialSnapshot, step } from "../../../src/machines/taskMachine.ts";
import type { StoredEvent } from "../../../src/store/eventStore.ts";
import { allLives, event, life } from "../../support/history/history.ts";

/** The events as the log has them. */
function stored(events: readonly TaskEvent[], times: readonly number[] = []): StoredEvent[] {
  let snapshot = initialSnapshot;
  return events.map((each, index) => {
    const { snapshot: next, from, to, effects } = step(snapshot, each);
    snapshot = next;
    const place = {
      stream: "a/web/1",
      seq: index + 1,
      position: index + 1,
      hash: "",
      schema: EVENT_SCHEMA_VERSION,
    };
    return { ...place, ...each, time: times[index] ?? each.time, from, to, effects };
  });
}

describe("a run's lane", () => {
  it("has the spans of its states until the run is over, and marks failures", () => {
    const lane = extendLane(undefined, stored(life("killed"), [0, 2, 5, 10, 100, 101, 600, 601, 650, 700]));
    expect(lane).toMatchObject({ events: 10, begunAt: 0, lastAt: 700, overAt: 650 });
    expect(lane?.periods).toEqual([
      { state: "pending", from: 0, to: 2 },
      { state: "fingerprinted", from: 2, to: 5 },
      { state: "sandboxed", from: 5, to: 10 },
      { state: "running", from: 10, to: 100 },
      { state: "stopping", from: 100, to: 600 },
      { state: "killing", from: 600, to: 650 },
    ]);
    expect(lane?.steps.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(lane?.marks.filter(({ kind }) => kind === "error")).toMatchObject([{ seq: 7, time: 600 }]);
  });

  it("ends at a failed start, and has no end while the run goes on", () => {
    const failed = extendLane(undefined, stored(life("failed"), [0, 1, 3, 9]));
    expect(failed).toMatchObject({ overAt: 3, marks: [{ seq: 3, kind: "error" }] });
    const running = extendLane(undefined, stored(life("ended").slice(0, 4)));
    expect(running?.overAt).toBe(null);
    expect(running?.periods.at(-1)).toMatchObject({ state: "running", to: null });
  });

  it("shows no commands, and marks events that cannot be read", () => {
    const checks = Array.from({ length: 500 }, () => [
      event("execStarted"),
      event("execExited", { exitCode: 1 }),
    ]);
    const events = stored([...life("ended").slice(0, 4), ...checks.flat()]);
    expect(extendLane(undefined, events)?.marks).toEqual([]);
    expect(extendLane(undefined, events)?.steps).toHaveLength(4);
    const strange = { ...(events[3] as StoredEvent), type: "teleported", seq: 5, schema: 999 };
    expect(extendLane(undefined, [...events.slice(0, 4), strange])?.marks).toMatchObject([
      { seq: 5, kind: "error" },
    ]);
  });

  it("is the same whether its events come at once or in two parts, even if the clock was set back", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...allLives),
        fc.array(fc.nat(1_000), { minLength: 12, maxLength: 12 }),
        fc.nat(10),
        (name, times, cut) => {
          const events = stored(life(name), times);
          const inParts = extendLane(extendLane(undefined, events.slice(0, cut)), events.slice(cut));
          expect(inParts).toEqual(extendLane(undefined, events));
          for (const { from, to } of inParts?.periods ?? []) expect(to ?? from).toBeGreaterThanOrEqual(from);
        },
      ),
    );
  });
});

const good = { tone: "good", text: "Completed" } as LaneRun["outcome"];
const bad = { tone: "bad", text: "Failed with exit code 1" } as LaneRun["outcome"];
const lost = { tone: "unclear", text: "Lost: the host was rebooted" } as LaneRun["outcome"];
const run = (begunAt: number, overAt: number | null, outcome = good, id = `a/web/${begunAt}`): LaneRun => ({
  ...{ id, outcome, begunAt, overAt, periods: [], marks: [] },
});

describe("runs that are too narrow to be distinguished", () => {
  it("become one block, between wide ones", () => {
    const runs = [run(0, 400), run(410, 412, bad), run(420, 421, bad), run(430, 432), run(500, null)];
    const blocks = foldRuns(runs, { from: 0, to: 1_000 }, 1_000, 1_000);
    expect(blocks.map(({ runs: { length }, left, right }) => [length, left, right])).toEqual([
      [1, 0, 400],
      [3, 410, 432],
      [1, 500, 1_000],
    ]);
    expect(outcomesText(blocks[1]?.runs ?? [])).toBe("3 runs: 2 × Failed with exit code 1, Completed");
    expect(worstTone(blocks[1]?.runs ?? [])).toBe("bad");
  });

  it("do not hide a lost run among successful and running runs", () => {
    expect(worstTone([run(0, 1), run(1, 2, lost), run(2, null)])).toBe("unclear");
    expect(worstTone([run(0, 1), run(1, 2, lost), run(2, 3, bad)])).toBe("bad");
  });

  it("are separate blocks if there is room, and runs outside of the window are not drawn", () => {
    const runs = [run(410, 412), run(420, 421), run(430, 432)];
    expect(foldRuns(runs, { from: 400, to: 440 }, 1_000, 1_000).length).toBe(3);
    expect(foldRuns(runs, { from: 600, to: 900 }, 1_000, 1_000)).toEqual([]);
  });

  it("are all in some block, each once and in order, at any width", () => {
    const anyRuns = fc.array(fc.tuple(fc.nat(5_000), fc.nat(300)), { maxLength: 60 }).map((list) => {
      let time = 0;
      return list.map(([gap, length], index) => {
        const begun = time + gap;
        time = begun + length;
        return run(begun, time, good, `a/web/${index}`);
      });
    });
    fc.assert(
      fc.property(anyRuns, fc.integer({ min: 50, max: 2_000 }), (runs, width) => {
        const to = runs.at(-1)?.overAt ?? 1;
        const blocks = foldRuns(runs, { from: 0, to: Math.max(1, to) }, width, to);
        expect(blocks.flatMap((block) => block.runs)).toEqual(runs);
        // The lane's width limits the number of drawn blocks.
        expect(blocks.length).toBeLessThanOrEqual(width / 7 + 2);
      }),
    );
  });
});

describe("an allocation", () => {
  const row = (task: string, begunAt: number) =>
    ({
      id: `a/${task}/${begunAt}`,
      task,
      allocation: "a",
      job: "shop",
      group: "site",
      outcome: good,
      begunAt,
    }) as TaskSummary;

  it("has its tasks in the order of their first start, with their newest runs", () => {
    const rows = [
      row("db", 5),
      ...Array.from({ length: 600 }, (_, index) => row("web", 10 + index)),
      row("log", 1),
    ];
    const view = allocationView(rows, (id) =>
      extendLane(undefined, stored(life("ended"), [Number(id.split("/")[2])])),
    );
    expect(view?.tasks.map(({ task, runs, earlier }) => [task, runs.length, earlier])).toEqual([
      ["log", 1, 0],
      ["db", 1, 0],
      ["web", 500, 100],
    ]);
    expect(view?.tasks[2]?.runs.at(-1)?.id).toBe("a/web/609");
    expect(allocationView([], () => undefined)).toBe(undefined);
  });

  it("leads from error to error through all its tasks, and stops at the last", () => {
    const mark = (seq: number, time: number, kind: "error" | "takeover" = "error") => ({
      seq,
      time,
      text: "Lost",
      kind,
    });
    const view: AllocationView = {
      ...{ allocation: "a", job: null, group: null },
      tasks: [
        { task: "web", earlier: 0, runs: [{ ...run(0, 50), marks: [mark(4, 30), mark(5, 31, "takeover")] }] },
        { task: "db", earlier: 0, runs: [{ ...run(0, 50, bad, "a/db/0"), marks: [mark(7, 10)] }] },
      ],
    };
    const errors = errorsOf(view);
    expect(errors.map(({ id, seq }) => [id, seq])).toEqual([
      ["a/db/0", 7],
      ["a/web/0", 4],
    ]);
    expect(nextError(errors, 0, 1)).toMatchObject({ id: "a/db/0" });
    expect(nextError(errors, { id: "a/db/0", seq: 7 }, 1)).toMatchObject({ id: "a/web/0" });
    expect(nextError(errors, { id: "a/web/0", seq: 4 }, 1)).toBe(undefined);
    expect(nextError(errors, 20, -1)).toMatchObject({ id: "a/db/0" });
  });
});
