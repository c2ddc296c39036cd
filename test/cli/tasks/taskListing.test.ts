import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { press, type TopView, topFrame } from "../../../src/cli/commands/top/topView.ts";
import { nodeTasks } from "../../../src/cli/tasks/nodeTasks.ts";
import { taskTable } from "../../../src/cli/tasks/taskListing.ts";
import { type NodeTask, rowOf, type TaskRow } from "../../../src/cli/tasks/taskRow.ts";
import { styleOf } from "../../../src/cli/terminal/style.ts";
import type { RunUsage } from "../../../src/effects/stats/usage.ts";
import type { EventType } from "../../../src/machines/events.ts";
import type { UsageSample } from "../../../src/store/usage/usageSample.ts";
import { cellsOf } from "../../../src/units/widths.ts";
import { event } from "../../support/history/history.ts";
import { RecordedLog } from "../../support/history/recordedLog.ts";
import { usageSample } from "../../support/metrics/usage.ts";

const view: TopView = {
  ...{ sort: "cpu", search: "", typing: false, failed: false },
  limit: Number.POSITIVE_INFINITY,
};
const plain = styleOf(false);
const colourful = styleOf(true);
const wide = Number.POSITIVE_INFINITY;

const toRunning: EventType[] = ["requested", "fingerprinted", "sandboxed", "started"];
const usage: RunUsage = {
  total: {
    cpu: { userPercent: 40, systemPercent: 2.4, mhz: 1000 },
    memory: { usage: 3 << 20, rss: 1 << 20 },
  },
  processes: new Map(),
};
const absent = { alive: false, usage: undefined };

function task(
  types: readonly EventType[],
  id = "6f2d4a9e-0c57/web/1",
  samples: readonly UsageSample[] = [],
): NodeTask {
  const events = types.map((type) => event(type));
  const reader = new RecordedLog().add(id, events).reader(new Map([[id, samples]]));
  const [head] = reader.streams();
  const [found] = head ? nodeTasks([{ id, head, reader }], new Map()) : [];
  if (found === undefined) throw new Error("no task");
  return found;
}

const row = (
  types: readonly EventType[],
  presence = { alive: true, usage } as Parameters<typeof rowOf>[1],
) => {
  const of = task(types);
  return rowOf(of, presence, (of.snapshot.context.startedAt ?? of.begunAt) + 90_000);
};

describe("a task as it is shown", () => {
  it("has its disk only if it has a limit there", () => {
    const disk = { bytes: 3 << 20, limitBytes: 300 << 20 };
    const rows = [row(toRunning), row(toRunning, { alive: true, usage, disk })];
    expect(rows.map(({ diskBytes, diskLimitBytes }) => [diskBytes, diskLimitBytes])).toEqual([
      [null, null],
      [3 << 20, 300 << 20],
    ]);
    const [head = "", free = "", limited = ""] = taskTable(rows, plain, wide);
    expect(head).toMatch(/ AGE +DISK$/);
    expect(free).toMatch(/ -$/);
    expect(limited).toMatch(/ 3 MiB \/ 300 MiB$/);
    expect(taskTable(rows.slice(0, 1), plain, wide)[0]).not.toContain("DISK");
  });

  it("that runs has figures and no end", () => {
    expect(row(toRunning)).toMatchObject({
      allocation: "6f2d4a9e-0c57",
      task: "web",
      job: "shop",
      state: "running",
      pid: 201,
      user: "nomad-80001",
      ageMs: 90_000,
      cpuPercent: 42.4,
      memoryBytes: 3 << 20,
      exitCode: null,
      end: null,
    });
  });

  it("without figures from the host is shown as unknown, not idle", () => {
    const unknown = row(toRunning, { alive: true, usage: undefined });
    expect(unknown).toMatchObject({ state: "running", pid: 201, cpuPercent: null, memoryBytes: null });
    expect(taskTable([unknown], plain, wide)[1]).toMatch(/ 201 .* \? .* \? /);
  });

  it("without a memory controller shows the resident memory", () => {
    const resident = { ...usage, total: { ...usage.total, memory: { rss: 4096 } } };
    expect(row(toRunning, { alive: true, usage: resident }).memoryBytes).toBe(4096);
  });

  it("that has no processes, although the log says that it runs, is shown as gone", () => {
    expect(row(toRunning, absent)).toMatchObject({ state: "gone", pid: null, cpuPercent: null });
  });

  it("that has ended shows its end and its duration", () => {
    expect(row([...toRunning, "exited", "destroyed"], absent)).toMatchObject({
      state: "destroyed",
      pid: null,
      exitCode: 0,
      signal: 0,
      oomKilled: false,
      end: "exit code 0",
    });
  });

  it("that never started shows the reason", () => {
    expect(row(["requested", "startFailed"], absent)).toMatchObject({
      state: "failed",
      end: "LAUNCH_FAILED",
    });
  });

  it.each([
    ["ended", [...toRunning, "exited"]],
    ["never started", ["requested", "startFailed"]],
    ["was lost", [...toRunning, "lost", "destroyed"]],
    ["is gone", toRunning],
  ] as [string, EventType[]][])("that %s grows no older", (_, types) => {
    const of = task(types);
    const ageAt = (now: number) => rowOf(of, absent, now).ageMs;
    expect(ageAt(of.changedAt + 1_000_000)).toBe(ageAt(of.changedAt + 9_000_000));
    expect(ageAt(of.changedAt + 1_000_000)).toBeLessThan(1_000_000);
  });

  it.each([
    ["was lost", [...toRunning, "lost", "destroyed"]],
    ["is gone", toRunning],
  ] as [string, EventType[]][])("that %s is as old as at its last sign of life", (_, types) => {
    const time = 1_800_000_000_000;
    const of = task(types, undefined, [usageSample({ time })]);
    const { startedAt } = of.snapshot.context;
    expect(rowOf(of, absent, time + 9_000_000).ageMs).toBe(time - (startedAt ?? 0));
  });
});

describe("the table", () => {
  const rows = [row(toRunning), row([...toRunning, "exited"], absent)];

  it("has all columns if there is room, and the column for ends only if a task has ended", () => {
    const [header, running, ended] = taskTable(rows, plain, wide);
    expect(header).toMatch(/^TASK +ALLOCATION +JOB +STATE +PID +USER +CPU +MEMORY +AGE +END$/);
    expect(running).toMatch(/^web +6f2d4a9e +shop +running +201 +nomad-80001 +42 % +3 MiB \/ 64 MiB +1 min$/);
    expect(ended).toMatch(/^web +6f2d4a9e +shop +completed +- +nomad-80001 +- +- +\S+ \S+ +exit code 0$/);
    expect(taskTable(rows.slice(0, 1), plain, wide)[0]).not.toContain("END");
  });

  it("counts the runs of a task that was restarted, and says when the first and the last began", () => {
    const folded = { ...row(toRunning), runs: { count: 38, firstMs: 7_200_000, lastMs: 90_000 } };
    const [header, restarted, once] = taskTable([folded, row(toRunning)], plain, wide);
    expect(header).toMatch(/ AGE +RUNS +FIRST +LAST$/);
    expect(restarted).toMatch(/ 38 +2 h ago +1 min ago$/);
    expect(once).toMatch(/ 1 +- +-$/);
    expect(taskTable([folded], plain, 56)[0]).toMatch(/^TASK +STATE +PID +CPU +MEMORY +RUNS$/);
  });

  it("keeps task, state and figures if there is little room", () => {
    expect(taskTable(rows.slice(0, 1), plain, 50)[0]).toMatch(/^TASK +STATE +PID +CPU +MEMORY$/);
  });

  it("is never wider than its terminal, and the picture of top never higher, whatever the names", () => {
    const names = fc.record({
      task: fc.stringMatching(/^[a-z-]{1,200}$/),
      job: fc.stringMatching(/^[a-z-]{1,60}$/),
      end: fc.option(fc.stringMatching(/^[a-z ]{1,120}$/)),
      cpuPercent: fc.option(fc.double({ min: 0, max: 1e5, noNaN: true })),
      memoryBytes: fc.option(fc.nat()),
    });
    const size = fc.record({
      columns: fc.integer({ min: 1, max: 200 }),
      rows: fc.integer({ min: 1, max: 40 }),
    });
    fc.assert(
      fc.property(fc.array(names, { maxLength: 60 }), size, (some, { columns, rows: height }) => {
        const shown = some.map((each): TaskRow => ({ ...row(toRunning), ...each }));
        for (const line of taskTable(shown, colourful, columns))
          expect(cellsOf(line)).toBeLessThanOrEqual(columns);
        const frame = topFrame(shown, view, "12:00:00", colourful, { columns, rows: height });
        expect(frame.length).toBeLessThanOrEqual(height);
        for (const line of frame) expect(cellsOf(line)).toBeLessThanOrEqual(columns);
      }),
      { numRuns: 200 },
    );
  });
});

describe("the picture of top", () => {
  const busy = (id: string, cpuPercent: number | null, more: Partial<TaskRow> = {}): TaskRow => ({
    ...row(toRunning),
    id,
    task: id,
    cpuPercent,
    ...more,
  });
  const size = { columns: 100, rows: 24 };
  const names = (lines: readonly string[]) =>
    lines.slice(3).map((line) => line.replace(/^[> ] /, "").split(" ")[0]);

  it("has the busiest task first, and sums at the top", () => {
    const some = [busy("b", 1), busy("a", 1), busy("idle", null), busy("c", 90)];
    const lines = topFrame(some, view, "12:00:00", plain, size);
    expect(lines[0]).toBe(
      "4 tasks, CPU 92 %, memory 12 MiB   12:00:00   by cpu   c m a n sort   / search   q quit",
    );
    expect(names(lines)).toEqual(["c", "a", "b", "idle"]);
  });

  it("has the limit beside the memory", () => {
    expect(topFrame([busy("a", 1)], view, "12:00:00", plain, size)[3]).toContain("3 MiB / 64 MiB");
  });

  it.each([
    ["cpu", ["c", "a", "b"]],
    ["memory", ["b", "c", "a"]],
    ["age", ["a", "b", "c"]],
    ["name", ["a", "b", "c"]],
  ] as const)("is sorted by %s", (sort, expected) => {
    const some = [
      busy("b", 1, { memoryBytes: 900, ageMs: 20 }),
      busy("a", 2, { memoryBytes: 100, ageMs: 30 }),
      busy("c", 3, { memoryBytes: 500, ageMs: 10 }),
    ];
    expect(names(topFrame(some, { ...view, sort }, "12:00:00", plain, size))).toEqual(expected);
  });

  it("shows the tasks that the search finds, up to the limit", () => {
    const some = [busy("web", 3), busy("db", 2, { job: "Web" }), busy("cron", 1)];
    const searched = topFrame(some, { ...view, search: "wEb" }, "12:00:00", plain, size);
    expect(searched[1]).toBe('2 with "wEb"   Esc shows all');
    expect(names(searched)).toEqual(["web", "db"]);
    const limited = topFrame(some, { ...view, limit: 1 }, "12:00:00", plain, size);
    expect([names(limited)[0], limited.at(-1)]).toEqual(["web", "… and 2 more"]);
    const none = topFrame(some, { ...view, search: "nope" }, "12:00:00", plain, size);
    expect(none[2]).toBe("No running task matches.");
  });

  it("says how many tasks have no room", () => {
    const many = Array.from({ length: 30 }, (_, index) => busy(`t${index}`, index));
    const lines = topFrame(many, view, "12:00:00", plain, { columns: 100, rows: 10 });
    expect(lines).toHaveLength(10);
    expect(lines.slice(3, 9)).toHaveLength(6);
    expect(lines.at(-1)).toBe("… and 24 more");
  });

  it("marks the row that keys are about, keeps it in sight, and says what the keys do", () => {
    const many = Array.from({ length: 30 }, (_, index) => busy(`t${index}`, 30 - index));
    const frame = (selected?: string) =>
      topFrame(many, { ...view, selected }, "12:00:00", plain, { columns: 100, rows: 10 });
    expect(frame()[1]).toMatch(/^l logs {3}s shell/);
    expect(frame()[3]).toMatch(/^> t0 /);
    expect(names(frame("t20"))).toEqual(["t15", "t16", "t17", "t18", "t19", "t20", "…"]);
    expect(frame("t20")[8]).toMatch(/^> t20 /);
    expect(frame("gone")[3]).toMatch(/^> t0 /);
    const asks = { verb: "stop", id: "6f2d/t1/1", task: "t1" } as const;
    expect(topFrame(many, { ...view, asks }, "12:00:00", plain, size)[1]).toBe(
      "stop t1, 6f2d/t1/1? y, or any other key",
    );
  });

  it("has what the chosen task has used, below the table", () => {
    const points = [
      { time: 60_000, spanMs: 60_000, cores: 0.1, memoryBytes: 1 << 20 },
      { time: 120_000, spanMs: 60_000, cores: null, memoryBytes: 8 << 20 },
      { time: 180_000, spanMs: 60_000, cores: 0.8, memoryBytes: 4 << 20 },
    ];
    const lines = topFrame([busy("a", 1)], view, "12:00:00", plain, size, points);
    expect(lines.slice(-2)).toEqual([
      expect.stringMatching(/^ {2}CPU {4}▂{20} {20}█{20} most 80 % in 3 min$/),
      expect.stringMatching(/^ {2}memory ▂{19}█{19}▅{19} most 8 MiB in 3 min, limit 64 MiB$/),
    ]);
    const low = topFrame([busy("a", 1)], view, "12:00:00", plain, { columns: 100, rows: 8 }, points);
    expect(low.join("\n")).not.toContain("most");
  });

  it("is filtered by the words of the search that name a field", () => {
    const some = [busy("web", 3, { job: "till" }), busy("db", 2, { job: "till" }), busy("cron", 1)];
    const shown = (search: string) => topFrame(some, { ...view, search }, "12:00:00", plain, size);
    expect(names(shown("job=till"))).toEqual(["web", "db"]);
    expect(names(shown("job=till we"))).toEqual(["web"]);
    expect(shown("jbo=shop")[1]).toContain("there is no filter jbo=shop");
  });

  it("says if no task is running", () => {
    expect(topFrame([], view, "12:00:00", plain, size).slice(1)).toEqual(["", "No task is running."]);
  });
});

describe("a key in top", () => {
  const keys = (...pressed: string[]) =>
    pressed.reduce<ReturnType<typeof press>>(
      (now, key) => (now === "quit" || "verb" in now ? now : press(now, key)),
      view,
    );

  it("sorts, quits, or does nothing", () => {
    expect(["m", "A", "n", "c", "x"].map((key) => keys(key))).toEqual([
      { ...view, sort: "memory" },
      { ...view, sort: "age" },
      { ...view, sort: "name" },
      view,
      view,
    ]);
    for (const key of ["q", "Q", "C-c", "C-d", "escape", "end of input"]) expect(keys(key)).toBe("quit");
  });

  it("chooses rows, and does something with one", () => {
    const rows = ["a", "b", "c"].map((id) => ({ ...row(toRunning), id, task: id }));
    const typed = (...pressed: string[]) =>
      pressed.reduce<ReturnType<typeof press>>(
        (now, key) => (now === "quit" || "verb" in now ? now : press(now, key, rows)),
        view,
      );
    expect(typed("down", "j", "j", "k")).toEqual({ ...view, selected: "b" });
    expect(typed("end")).toEqual({ ...view, selected: "c" });
    expect(typed("end", "home", "up")).toEqual({ ...view, selected: "a" });
    for (const [key, verb] of Object.entries({
      l: "logs",
      return: "logs",
      s: "shell",
      w: "why",
      e: "events",
      o: "page",
    }))
      expect(typed("down", key)).toEqual({ verb, id: "b", task: "b" });
    const stop = { verb: "stop", id: "a", task: "a" } as const;
    expect(typed("x")).toEqual({ ...view, selected: "a", asks: stop });
    expect(typed("x", "y")).toEqual(stop);
    expect(typed("r", "Y")).toEqual({ ...stop, verb: "restart" });
    for (const no of ["n", "escape", "q", "x"]) expect(typed("x", no)).toEqual({ ...view, selected: "a" });
    expect(typed("f")).toEqual({ ...view, failed: true });
    const ended = rows.map((each) => ({ ...each, pid: null }));
    expect(press(view, "s", ended)).toEqual({ ...view, selected: "a", note: "a does not run" });
    expect(press(view, "w", ended)).toEqual({ verb: "why", id: "a", task: "a" });
    for (const key of ["l", "x", "down"]) expect(press(view, key, [])).toMatchObject({ sort: "cpu" });
  });

  it("is text while a search is typed", () => {
    expect(keys("/", "q", "m", "x", "backspace")).toEqual({ ...view, typing: true, search: "qm" });
    expect(keys("/", "q", "return")).toEqual({ ...view, search: "q" });
    expect(keys("/", "q", "return", "escape")).toEqual(view);
    expect(keys("/", "q", "escape")).toEqual(view);
    expect(keys("/", "q", "C-c", "q")).toBe("quit");
    expect(keys("/", "end of input")).toBe("quit");
  });
});
