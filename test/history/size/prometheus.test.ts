/** A job's runs in Prometheus: the queries, tried by its own engine, and what their answers mean. */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { PluginMetrics } from "../../../src/driver/metrics/pluginMetrics.ts";
import {
  askedMetrics,
  countIn,
  type Figures,
  figureQueries,
  goingQuery,
  killedQuery,
  runsInMetrics,
  tasksQuery,
  type Vector,
  windowOf,
} from "../../../src/history/size/prometheus.ts";
import { sizesOf } from "../../../src/history/size/sizing.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { recordingLogger } from "../../support/recordingLogger.ts";

const mib = 2 ** 20;
const window = windowOf(3_600_000);

it("the queries ask for existing metrics", async () => {
  const metrics = new PluginMetrics({ tasks: () => [], logBytes: () => 1 }, recordingLogger());
  onTestFinished(() => metrics.close());
  const names = (await metrics.families()).map(({ name }) => name);
  expect(askedMetrics.length).toBeGreaterThan(15);
  expect(askedMetrics.filter((name) => !names.includes(name))).toEqual([]);
  const queries = [
    ...Object.values(figureQueries(["a"], window)),
    tasksQuery("a", window),
    killedQuery("a", window),
  ];
  const inQueries = queries.join(" ").match(/exec2_[a-z_]+/g) ?? [];
  expect(new Set(inQueries)).toEqual(new Set(askedMetrics));
});

describe("promtool", () => {
  const labels = (more: object) =>
    `{${Object.entries(more)
      .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
      .join(",")}}`;
  const task = (alloc: string) => ({ instance: "node-1", alloc_id: alloc, task: "web" });
  const info = (alloc: string, job: string) =>
    `exec2_task_info${labels({ ...task(alloc), nomad_job: job, nomad_group: "g", nomad_namespace: "default" })}`;
  const series = (metric: string, alloc: string, values: string, more: object = {}) => ({
    series: `${metric}${labels({ ...task(alloc), ...more })}`,
    values,
  });
  const ends = (job: string, result: string, values: string) => ({
    series: `exec2_task_ends_total${labels({ instance: "node-1", nomad_job: job, result })}`,
    values,
  });
  const input = [
    { series: info("a-1", "shop.x"), values: "1x60" },
    { series: info("a-2", "shop.x/periodic-1700000000"), values: "1x20 stale" },
    { series: info("a-3", "shopsx"), values: "1x60" },
    { series: info("a-4", "shop.x/other"), values: "1x60" },
    series("exec2_task_memory_peak_bytes", "a-1", "100x30 213x30"),
    series("exec2_task_memory_peak_bytes", "a-2", "300x20 stale"),
    series("exec2_task_memory_peak_bytes", "a-3", "900x60"),
    series("exec2_task_memory_limit_bytes", "a-1", "600x60"),
    series("exec2_task_pressure_waiting_seconds_total", "a-1", "0+1x60", { resource: "memory" }),
    series("exec2_task_pressure_waiting_seconds_total", "a-1", "0+9x60", { resource: "io" }),
    // Half a core of user time, a quarter of system time, after half an hour.
    series("exec2_task_cpu_seconds_total", "a-1", "0x30 0+30x30", { mode: "user" }),
    series("exec2_task_cpu_seconds_total", "a-1", "0x30 0+15x30", { mode: "system" }),
    ends("shop.x", "out of memory", "0x30 2x30"),
    ends("shop.x", "completed", "0+1x60"),
    ends("shopsx", "out of memory", "0+1x60"),
  ];
  const key = (alloc: string) => labels({ alloc_id: alloc, task: "web" });
  const place = (alloc: string, job: string) =>
    labels({ alloc_id: alloc, task: "web", nomad_job: job, nomad_group: "g", nomad_namespace: "default" });
  const figures = figureQueries(["a-1", "a-2"], window);
  const tried: [name: string, expr: string, expected: [labels: string, value: number][]][] = [
    [
      "tasks of the job, also ended ones, and of its periodic jobs",
      tasksQuery("shop.x", window),
      [
        [place("a-1", "shop.x"), 1],
        [place("a-2", "shop.x/periodic-1700000000"), 1],
      ],
    ],
    ["tasks that run now", goingQuery("shop.x"), [[key("a-1"), 1]]],
    [
      "peaks",
      figures.memoryPeak,
      [
        [key("a-1"), 213],
        [key("a-2"), 300],
      ],
    ],
    ["limits", figures.memoryLimit, [[key("a-1"), 600]]],
    ["waiting for memory", figures.memoryWaiting, [[key("a-1"), 60]]],
    ["the busiest span", figures.cpu, [[key("a-1"), 0.75]]],
    [
      "when tasks were seen last",
      figures.seen,
      [
        [key("a-1"), 3600],
        [key("a-2"), 1200],
      ],
    ],
    ["figures that no task has", figures.disk, []],
    ["tasks whose name has quotes", tasksQuery('a"b\\', window), []],
  ];

  it.for(tried)("%s", ([, expr, expected], { skip }) => {
    const exp_samples = expected.map(([each, value]) => ({ labels: each, value }));
    const file = join(temporaryFolder(), "tests.yml");
    const test = {
      interval: "1m",
      input_series: input,
      promql_expr_test: [{ expr, eval_time: "60m", exp_samples }],
    };
    // JSON is YAML, too.
    writeFileSync(file, JSON.stringify({ evaluation_interval: "1m", tests: [test] }));
    expectPassed(file, skip);
  });

  it("counts ends for lack of memory, which are two or a bit more by extrapolation", ({ skip }) => {
    const file = join(temporaryFolder(), "tests.yml");
    const expr = `round(${killedQuery("shop.x", window)})`;
    const exp_samples = [{ labels: "{}", value: 2 }];
    const test = {
      interval: "1m",
      input_series: input,
      promql_expr_test: [{ expr, eval_time: "60m", exp_samples }],
    };
    writeFileSync(file, JSON.stringify({ evaluation_interval: "1m", tests: [test] }));
    expectPassed(file, skip);
  });

  function expectPassed(file: string, skip: () => void): void {
    const { error, status, stdout, stderr } = spawnSync("promtool", ["test", "rules", file], {
      encoding: "utf8",
    });
    if (error) {
      console.error("NOT TESTED by promtool: it is not installed (apt-get install prometheus)");
      skip();
    }
    expect(status, `${stdout}\n${stderr}`).toBe(0);
  }
});

describe("runs in metrics", () => {
  const now = 1_800_000_000_000;
  const keyOf = (alloc: string) => ({ alloc_id: alloc, task: "web" });
  const vector = (values: Readonly<Record<string, number | string>>): Vector =>
    Object.entries(values).map(([alloc, value]) => ({
      metric: keyOf(alloc),
      value: [now / 1000, String(value)],
    }));
  const tasks: Vector = ["a", "b"].map((alloc) => ({
    metric: { ...keyOf(alloc), nomad_job: "shop/periodic-1", nomad_group: "g", nomad_namespace: "default" },
    value: [now / 1000, "1"],
  }));
  const begun = now / 1000 - 864_000;
  const answers: Figures = {
    ...Object.fromEntries(Object.keys(figureQueries([], window)).map((name) => [name, []])),
    ...{
      begun: vector({ a: begun, b: begun }),
      seen: vector({ a: now / 1000, b: begun + 1_000 }),
      memoryReserved: vector({ a: 600 * mib, b: 600 * mib }),
      memoryLimit: vector({ a: 600 * mib, b: 600 * mib }),
      memoryPeak: vector({ a: 213 * mib, b: "NaN" }),
      memory: vector({ a: 100 * mib, b: 90 * mib }),
      memoryWaiting: vector({ b: 50 }),
      kills: vector({ a: 0, b: 0 }),
      cpuReserved: vector({ a: 500e6, b: 500e6 }),
      cpuLimit: vector({ a: 0.25, b: 0.25 }),
      cpu: vector({ a: 0.05, b: 0.025 }),
      throttled: vector({ a: 0, b: 0 }),
      processes: vector({ a: 4 }),
    },
  } as Figures;

  const sized = (measured: boolean, killed = 0, changed: Partial<Figures> = {}) => {
    const runs = runsInMetrics(tasks, vector({ a: 1 }), { ...answers, ...changed }, now);
    const [size] = sizesOf(runs, { headroom: 0.2, measured, killed }, now);
    if (size?.memory == null) throw new Error("no size");
    return { ...size, memory: size.memory };
  };

  it("have figures of each allocation, and no end that was measured", () => {
    const [a, b] = runsInMetrics(tasks, vector({ a: 1 }), answers, now);
    expect(a).toMatchObject({
      ...{ namespace: "default", job: "shop", group: "g", task: "web", begunAt: begun * 1000, endedAt: null },
      reserved: { cpuMhz: 500, memoryMb: 600, memoryMaxMb: 0, hasCores: false },
      memory: { peakBytes: 213 * mib, isWhole: false, limitBytes: 600 * mib, kills: 0, waiting: null },
      // A quarter of a core is 500 MHz.
      cpu: { most: expect.closeTo(100), throttledMs: 0 },
      processes: { most: 4, limit: null },
    });
    expect(b).toMatchObject({
      endedAt: (begun + 1_000) * 1000,
      memory: { peakBytes: 90 * mib, kills: null, waiting: 0.05 },
    });
  });

  it("propose something only with --measured, and nothing if something was killed", () => {
    expect(sized(false).memory.proposed).toBeNull();
    expect(sized(true).memory.proposed).toBe(256);
    expect(sized(true).cpu?.proposed).toBe(120);
    expect(sized(true, 1).memory).toMatchObject({
      proposed: null,
      notes: [expect.stringMatching(/^1 run ended for lack of memory, of this task or another/)],
    });
    expect(sized(true, 0, { kills: vector({ b: 1 }) }).memory.proposed).toBeNull();
  });

  it("have a memory_max if the limit is more than what is reserved, and cores if no CPU is reserved", () => {
    const { memory, cpu } = sized(true, 0, {
      memoryLimit: vector({ a: 800 * mib, b: 800 * mib }),
      cpuReserved: [],
    });
    expect(memory.notes.at(-1)).toBe("memory_max stays 800: it reserves nothing");
    expect(cpu).toBeNull();
  });

  it("are counted in a sum, which may be empty", () => {
    expect(countIn([])).toBe(0);
    expect(countIn([{ metric: {}, value: [1, "2.5"] }])).toBe(2.5);
  });
});
