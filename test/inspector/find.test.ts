/** Finding tasks in the list: filters, orders and groups. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  byTask,
  type Column,
  columns,
  columnsOf,
  failureGroups,
  matcher,
  ranText,
  sorted,
} from "../../src/inspector/page/list/find.ts";
import { bitOf, summaryOf, type TaskSummary } from "../../src/inspector/views/taskSummary.ts";
import { eventTypes } from "../../src/machines/events.ts";
import { fold } from "../../src/machines/taskMachine.ts";
import { timesAfter } from "../../src/machines/taskOutline.ts";
import { allLives, type Life, life } from "../support/history/history.ts";
import { idOf } from "../support/screen/inspector.ts";

const now = 2_000_000_000_000;

function rowOf(number: number, name: Life, changes: Partial<TaskSummary> = {}): TaskSummary {
  const events = life(name);
  const seen = events.reduce((bits, { type }) => bits | bitOf(type), 0);
  const place = { id: idOf(number, name), events: events.length, seen, begunAt: now - number, restarts: 0 };
  const state = fold(events);
  const times = timesAfter(undefined, state.context, now, () => undefined);
  return { ...summaryOf({ ...place, ...times }, state), ...changes };
}

const rows = allLives.map((name, number) => rowOf(number, name, { job: number % 2 ? "odd" : "even" }));
const found = (choices: Record<string, string>) =>
  rows.filter(matcher(choices, eventTypes)).map(({ task }) => task);

describe("a search", () => {
  it("finds tasks that match each of its words and every filter", () => {
    expect(found({})).toEqual(allLives);
    expect(found({ search: "LOST rebooted" })).toEqual(["lost"]);
    expect(found({ search: "LAUNCH_FAILED nomad-80001" })).toEqual(["failed"]);
    expect(found({ event: "stopTimedOut" })).toEqual(["killed"]);
    expect(found({ event: "recovered", job: "odd" })).toEqual([]);
    expect(found({ event: "nothing of the kind" })).toEqual([]);
    expect(found({ user: "nomad-80001" })).toHaveLength(allLives.length);
    expect(found({ cause: "lost: the host was rebooted" })).toEqual(["lost"]);
  });

  it("by types of events has a bit for each type", () => {
    expect(eventTypes.length).toBeLessThanOrEqual(31);
    expect(new Set(eventTypes.map(bitOf)).size).toBe(eventTypes.length);
  });
});

describe("the runs of a task", () => {
  it("are together, in the order of the newest ones", () => {
    const runs = [rowOf(5, "ended"), rowOf(4, "lost"), rowOf(3, "ended"), rowOf(2, "ended")];
    const ids = ["b/web/2", "a/web/2", "b/web/1", "a/web/1"];
    const tasks = byTask(runs.map((run, index) => ({ ...run, id: ids[index] as string })));
    expect(tasks.map(({ newest, earlier }) => [newest, ...earlier].map(({ id }) => id))).toEqual([
      ["b/web/2", "b/web/1"],
      ["a/web/2", "a/web/1"],
    ]);
  });
});

describe("the order", () => {
  const sorting = Object.entries<Column>(columns).filter(([, { sortBy }]) => sortBy !== undefined);
  const orders = sorting.flatMap(([name]) => [name, `-${name}`]);

  it("keeps every row, by any column, and is reversed with a minus", () => {
    const anyRows = fc.array(fc.tuple(fc.integer({ min: 0, max: 99 }), fc.constantFrom(...allLives)));
    fc.assert(
      fc.property(anyRows, fc.constantFrom(...orders), (made, order) => {
        const list = made.map(([number, name]) => rowOf(number, name));
        const { sortBy }: Column = columns[order.replace("-", "") as keyof typeof columns];
        const keys = sorted(list, order, now).map((row) => sortBy?.(row, now) ?? null);
        expect(keys).toHaveLength(list.length);
        const known = keys.filter((key) => key !== null);
        expect(keys.slice(0, known.length)).toEqual(known);
        const way = order.startsWith("-") ? -1 : 1;
        for (const [index, key] of known.slice(1).entries()) {
          const before = known[index] ?? key;
          expect(before === key || before < key === way > 0).toBe(true);
        }
      }),
    );
  });

  it("is the list's order for an unknown column, and for one whose values only the rows in sight have", () => {
    expect(sorted(rows, "nothing", now)).toBe(rows);
    expect(sorted(rows, "-memory", now)).toBe(rows);
  });
});

describe("the columns", () => {
  it("are all, and the disk only if a task has a limit on it", () => {
    const all = Object.keys(columns);
    expect(columnsOf(rows)).toEqual(all.filter((name) => name !== "disk"));
    expect(columnsOf([...rows, rowOf(99, "ended", { diskLimit: 1 })])).toEqual(all);
  });
});

describe("failures", () => {
  it("are grouped by their cause, the commonest first", () => {
    const failed = Array.from({ length: 37 }, (_, number) =>
      rowOf(number, "failed", { job: `job${number % 2}` }),
    );
    const groups = failureGroups([...rows, ...failed]);
    expect(groups.map(({ cause, rows: { length }, jobs }) => [length, cause, jobs.length])).toEqual([
      [38, "LAUNCH_FAILED python3", 3],
      [1, "killed, still running after SIGINT: web of shop", 1],
      [1, "lost: the host was rebooted", 1],
    ]);
  });
});

describe("a lost task", () => {
  it("ran at least until its last event", () => {
    const row = rowOf(1, "lost", { startedAt: now - 9_000_000, endedAt: now - 8_995_000 });
    expect(ranText(row, now)).toBe("≥ 5 s");
  });
});
