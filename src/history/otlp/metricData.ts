/**
 * Metrics in OpenTelemetry's form. Names and units are such that a collector gives them to Prometheus with the very
 * names of the text format (https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/): the
 * first part is a namespace, the unit and `_total` are added there. What the semantic conventions know has their
 * names. Pure.
 */
import type { Attributes, HrTime } from "@opentelemetry/api";
import type { Histogram, MetricData } from "@opentelemetry/sdk-metrics";
import { visible } from "../../units/visible.ts";
import type { Family, Labels, Sample } from "../metrics/exposition.ts";

/** The library's numbers for kinds of points, and for values that count from a beginning. */
const kinds = { histogram: 0, gauge: 2, counter: 3 } as const;
const cumulative = 1;
/** The library's number for values with a fraction. */
const fractional = 1;

/** Metrics of any process: https://opentelemetry.io/docs/specs/semconv/system/process-metrics/. */
const conventional: Readonly<Record<string, { readonly name: string; readonly unit: string }>> = {
  process_cpu_seconds_total: { name: "process.cpu.time", unit: "s" },
  process_resident_memory_bytes: { name: "process.memory.usage", unit: "By" },
};

/** Labels whose attributes have another name: that of traces, or of the conventions. */
const attributeNames: Readonly<Record<string, string>> = {
  alloc_id: "nomad.alloc.id",
  task: "nomad.task.name",
  nomad_job: "nomad.job.id",
  nomad_group: "nomad.group.name",
  nomad_namespace: "nomad.namespace",
  code: "error.type",
  cause: "error.type",
};

/** Units by the ends of names; the first that fits. */
const units = [
  ["_bytes_per_second", "By/s"],
  ["_seconds", "s"],
  ["_bytes", "By"],
  ["_hertz", "Hz"],
] as const;

/** When the values were counted, and from when on. */
export interface Span {
  readonly start: HrTime;
  readonly end: HrTime;
}

/**
 * @param points the most points of a metric's part. The library encodes a request in one turn of the event loop
 * @returns parts of metrics, each small enough for a request
 */
export function* metricData(families: readonly Family[], span: Span, points: number): Generator<MetricData> {
  for (const family of families) {
    const descriptor = { ...nameOf(family), description: family.help, valueType: fractional };
    const common = { descriptor, aggregationTemporality: cumulative } as const;
    if (family.type === "histogram") {
      yield {
        ...common,
        dataPointType: kinds.histogram,
        dataPoints: [pointOf(span, {}, histogramOf(family.samples))],
      };
      continue;
    }
    for (const some of chunks(family.samples, points)) {
      const dataPoints = some.map(({ of, labels, value }) => pointOf(span, attributesOf(of, labels), value));
      yield family.type === "gauge"
        ? { ...common, dataPointType: kinds.gauge, dataPoints }
        : { ...common, dataPointType: kinds.counter, dataPoints, isMonotonic: true };
    }
  }
}

function pointOf<T>({ start, end }: Span, attributes: Attributes, value: T) {
  return { startTime: start, endTime: end, attributes, value };
}

function nameOf({ name, type }: Family): { readonly name: string; readonly unit: string } {
  const known = conventional[name];
  if (known !== undefined) return known;
  const base = type === "counter" ? name.replace(/_total$/, "") : name;
  const [end = "", unit = ""] = units.find(([each]) => base.endsWith(each)) ?? [];
  return { name: base.slice(0, base.length - end.length).replace("_", "."), unit };
}

function attributesOf(...all: readonly (Labels | undefined)[]): Attributes {
  const pairs = all.flatMap((labels) => Object.entries(labels ?? {}));
  return Object.fromEntries(pairs.map(([name, value]) => [attributeNames[name] ?? name, visible(value)]));
}

/** The same counts as the series of a histogram, whose buckets are cumulative. */
function histogramOf(samples: Iterable<Sample>): Histogram {
  const all = [...samples];
  const buckets = all.filter(({ suffix }) => suffix === "_bucket");
  const sampleOf = (suffix: string) => all.find((each) => each.suffix === suffix)?.value ?? 0;
  return {
    buckets: {
      boundaries: buckets.slice(0, -1).map(({ labels }) => Number(labels?.le)),
      counts: buckets.map(({ value }, index) => value - (buckets[index - 1]?.value ?? 0)),
    },
    sum: sampleOf("_sum"),
    count: sampleOf("_count"),
  };
}

function* chunks<T>(items: Iterable<T>, size: number): Generator<T[]> {
  let chunk: T[] = [];
  for (const item of items) {
    chunk.push(item);
    if (chunk.length < size) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}
