/** Metrics in OpenTelemetry's form, from the same families as the text for Prometheus. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { counter, type Family, gauge, Histogram } from "../../../src/history/metrics/exposition.ts";
import { ProcessFigures } from "../../../src/history/metrics/processFigures.ts";
import { RunningTasksReader } from "../../../src/history/metrics/runningTasks.ts";
import { TaskCounters } from "../../../src/history/metrics/taskCounters.ts";
import { metricData } from "../../../src/history/otlp/metricData.ts";

const span = { start: [1, 0], end: [2, 0] } as const;
const dataOf = (families: readonly Family[], points = 1_000) => [
  ...metricData(families, { start: [...span.start], end: [...span.end] }, points),
];

const suffixes: Readonly<Record<string, string>> = {
  s: "_seconds",
  By: "_bytes",
  "By/s": "_bytes_per_second",
  Hz: "_hertz",
};

/** What a collector calls a metric for Prometheus: prometheus_and_openmetrics.md of OpenTelemetry's specification. */
function prometheusName({ descriptor, dataPointType }: ReturnType<typeof dataOf>[number]): string {
  const { name, unit } = descriptor;
  return `${name.replaceAll(".", "_")}${suffixes[unit] ?? ""}${dataPointType === 3 ? "_total" : ""}`;
}

async function allFamilies(): Promise<Family[]> {
  const figures = new ProcessFigures("plugin");
  const families = figures.families();
  figures.close();
  const running = await new RunningTasksReader().families(() => []);
  return [...families, gauge("exec2_log_bytes", "", 1), ...new TaskCounters(0).families(), ...running];
}

describe("a family of metrics", () => {
  it("has at Prometheus behind a collector the name that the plugin itself gives it", async () => {
    const families = await allFamilies();
    expect(families.length).toBeGreaterThan(25);
    const withPoints = families.map((family) => ({ ...family, samples: [...family.samples, { value: 1 }] }));
    const named = dataOf(withPoints).map(prometheusName);
    const byConvention: Readonly<Record<string, string>> = {
      process_cpu_seconds_total: "process_cpu_time_seconds_total",
      process_resident_memory_bytes: "process_memory_usage_bytes",
    };
    expect(named).toEqual(families.map(({ name }) => byConvention[name] ?? name));
  });

  it("has the attributes of traces, and those of the conventions", () => {
    const labels = { nomad_job: "web", result: "failed", code: "USER_UNKNOWN\n" };
    const of = { alloc_id: "a", task: "t" };
    const [metric] = dataOf([counter("exec2_x_total", "", [{ of, labels, value: 2 }])]);
    expect(metric).toMatchObject({
      ...{ descriptor: { name: "exec2.x" }, isMonotonic: true, aggregationTemporality: 1 },
      dataPoints: [
        {
          ...{ startTime: span.start, endTime: span.end, value: 2 },
          attributes: {
            ...{ "nomad.alloc.id": "a", "nomad.task.name": "t", "nomad.job.id": "web", result: "failed" },
            "error.type": expect.stringMatching(/^USER_UNKNOWN[^\n]+$/),
          },
        },
      ],
    });
  });

  it("counts in a histogram what was observed, for any values", () =>
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 20, noNaN: true })), (values) => {
        const bounds = [1, 5, 10];
        const histogram = new Histogram(bounds);
        for (const value of values) histogram.observe(value);
        const [metric] = dataOf([histogram.family("exec2_x_seconds", "")]);
        const expected = [0, 1, 2, 3].map(
          (index) =>
            values.filter(
              (value) =>
                value > (bounds[index - 1] ?? -1) && value <= (bounds[index] ?? Number.POSITIVE_INFINITY),
            ).length,
        );
        expect(metric?.dataPoints[0]?.value).toMatchObject({
          buckets: { boundaries: bounds, counts: expected },
          count: values.length,
        });
      }),
    ));

  it("is divided into parts that are small enough, without losing a point", () =>
    fc.assert(
      fc.property(
        fc.array(fc.nat(300), { maxLength: 5 }),
        fc.integer({ min: 1, max: 100 }),
        (sizes, points) => {
          const families = sizes.map((size, index) =>
            gauge(
              `exec2_${index}`,
              "",
              Array.from({ length: size }, (_, value) => ({ value })),
            ),
          );
          const parts = dataOf(families, points);
          expect(parts.every(({ dataPoints }) => dataPoints.length > 0 && dataPoints.length <= points)).toBe(
            true,
          );
          const values = parts.flatMap(({ dataPoints }) => dataPoints.map(({ value }) => value));
          expect(values).toEqual(sizes.flatMap((size) => Array.from({ length: size }, (_, value) => value)));
        },
      ),
    ));
});
