/**
 * A job's runs from the plugins' metrics in Prometheus: the queries, and what their answers mean. To the metrics, an
 * allocation's task is one run, however often it was restarted. Pure.
 */
import { z } from "zod";
import { parentJob } from "../../base/jobName.ts";
import { mostOf } from "../why/usage.ts";
import type { RunUse } from "./runUse.ts";

/** An answer of `/api/v1/query` whose result is an instant vector. https://prometheus.io/docs/prometheus/latest/querying/api */
export const answerSchema = z.object({
  status: z.literal("success"),
  data: z.object({
    resultType: z.literal("vector"),
    result: z.array(
      z.object({
        metric: z.record(z.string(), z.string()),
        value: z.tuple([z.number(), z.string()]).readonly(),
      }),
    ),
  }),
  /** What may be missing from the result. */
  warnings: z.array(z.string()).optional(),
});

/** Elements of an instant vector. */
export type Vector = z.infer<typeof answerSchema>["data"]["result"];

/** A time to look back to, in whole seconds. */
interface Window {
  readonly seconds: number;
}

/** @param sinceMs milliseconds before now */
export function windowOf(sinceMs: number): Window {
  return { seconds: Math.max(1, Math.ceil(sinceMs / 1000)) };
}

/** CPU is averaged over spans of this length, in which a server that is scraped every two minutes has two samples. */
const spanSeconds = 300;

/** The tasks of a job in the window, with the labels of `exec2_task_info`. */
export function tasksQuery(job: string, { seconds }: Window): string {
  return `max by (alloc_id, task, nomad_job, nomad_group, nomad_namespace) (max_over_time(${info(job)}[${seconds}s]))`;
}

/** The tasks of a job that run now. */
export function goingQuery(job: string): string {
  return `max by (alloc_id, task) (${info(job)})`;
}

/**
 * How many tasks of a job ended for lack of memory in the window. Plugins count the ends of jobs beyond a number without
 * the job: those count here, too.
 */
export function killedQuery(job: string, { seconds }: Window): string {
  const ends = `exec2_task_ends_total{nomad_job=~${text(`${pattern(job)}|`)},result="out of memory"}`;
  return `sum(increase(${ends}[${seconds}s]))`;
}

function info(job: string): string {
  return `exec2_task_info{nomad_job=~${text(pattern(job))}}`;
}

/** For Prometheus, which anchors patterns: the job, and what Nomad makes of it. */
function pattern(job: string): string {
  return `${literal(job)}(/periodic-[0-9]+|/dispatch-[0-9]+-[0-9a-f]+)?`;
}

function literal(words: string): string {
  return words.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}

/** A string of PromQL, which has the escapes of Go, as JSON's are. */
function text(words: string): string {
  return JSON.stringify(words);
}

/** Figures of a task over the window: a function of PromQL, and the metric with its labels. */
const figures = {
  begun: ["min_over_time", "exec2_task_started_timestamp_seconds"],
  memoryReserved: ["max_over_time", "exec2_task_memory_reserved_bytes"],
  memoryLimit: ["min_over_time", "exec2_task_memory_limit_bytes"],
  memoryPeak: ["max_over_time", "exec2_task_memory_peak_bytes"],
  memory: ["max_over_time", "exec2_task_memory_bytes"],
  memoryWaiting: ["max_over_time", "exec2_task_pressure_waiting_seconds_total", 'resource="memory"'],
  kills: ["max_over_time", "exec2_task_oom_kills_total"],
  cpuReserved: ["max_over_time", "exec2_task_cpu_reserved_hertz"],
  cpuLimit: ["max_over_time", "exec2_task_cpu_limit_cores"],
  throttled: ["max_over_time", "exec2_task_cpu_throttled_seconds_total"],
  disk: ["max_over_time", "exec2_task_disk_bytes", 'folders="own"'],
  diskLimit: ["max_over_time", "exec2_task_disk_limit_bytes", 'folders="own"'],
  processes: ["max_over_time", "exec2_task_pids"],
  processesLimit: ["max_over_time", "exec2_task_pids_limit"],
} as const;

type Figure = keyof typeof figures | "cpu" | "seen";

/** @param allocations their ids @returns queries whose answers have a value for each `alloc_id` and `task` */
export function figureQueries(
  allocations: readonly string[],
  { seconds }: Window,
): Readonly<Record<Figure, string>> {
  const among = `alloc_id=~${text(allocations.map(literal).join("|"))}`;
  const ofTasks = (value: string) => `max by (alloc_id, task) (${value})`;
  const range = `[${seconds}s]`;
  const steps = `[${seconds}s:${spanSeconds}s]`;
  const rate = `rate(exec2_task_cpu_seconds_total{${among}}[${spanSeconds}s])`;
  const own = Object.entries(figures).map(([name, [over, metric, ...labels]]) => [
    name,
    ofTasks(`${over}(${metric}{${[among, ...labels].join(",")}}${range})`),
  ]);
  return {
    ...(Object.fromEntries(own) as Record<keyof typeof figures, string>),
    // The modes user and system together, in cores.
    cpu: ofTasks(`max_over_time(sum by (instance, alloc_id, task) (${rate})${steps})`),
    seen: ofTasks(`max_over_time(timestamp(exec2_task_info{${among}})${steps})`),
  };
}

/** Names of the metrics that the queries ask for. */
export const askedMetrics: readonly string[] = [
  ...["exec2_task_info", "exec2_task_ends_total", "exec2_task_cpu_seconds_total"],
  ...Object.values(figures).map(([, metric]) => metric),
];

export type Figures = Readonly<Record<Figure, Vector>>;

/**
 * The runs of a job, of which none was measured to its end: the server asks only now and then.
 * @param now milliseconds since the epoch
 */
export function runsInMetrics(tasks: Vector, going: Vector, answers: Figures, now: number): RunUse[] {
  const known = new Map(Object.entries(answers).map(([name, vector]) => [name, valuesIn(vector)]));
  const present = valuesIn(going);
  return tasks.map(({ metric }) => {
    const key = keyOf(metric);
    const figure = (name: Figure) => known.get(name)?.get(key) ?? null;
    const isGoing = present.has(key);
    const seenAt = inMs(figure("seen")) ?? now;
    const begunAt = inMs(figure("begun")) ?? seenAt;
    const [reserved, limit] = [figure("memoryReserved"), figure("memoryLimit")];
    const [hertz, cores, used] = [figure("cpuReserved"), figure("cpuLimit"), figure("cpu")];
    const kills = figure("kills") ?? 0;
    const waitingMs = inMs(figure("memoryWaiting"));
    const { nomad_namespace: namespace = "", nomad_job: job = "", nomad_group: group = "" } = metric;
    return {
      ...{ namespace, job: parentJob(job), group, task: metric.task ?? "" },
      begunAt,
      endedAt: isGoing ? null : seenAt,
      reserved: reserved === null ? null : reservedOf(reserved, limit, hertz),
      memory: {
        peakBytes: mostOf([figure("memoryPeak"), figure("memory")]),
        isWhole: false,
        limitBytes: limit,
        kills: kills > 0 || isGoing ? kills : null,
        maySwap: false,
        waiting: waitingMs === null ? null : Math.min(1, waitingMs / Math.max(1, seenAt - begunAt)),
      },
      cpu: {
        mean: null,
        most: hertz && cores && used !== null ? (used * hertz) / megahertz / cores : null,
        spanMs: spanSeconds * 1000,
        throttledMs: inMs(figure("throttled")),
      },
      disk: { most: figure("disk"), limit: figure("diskLimit") },
      processes: { most: figure("processes"), limit: figure("processesLimit") },
      stalls: null,
    };
  });
}

const mebibyte = 2 ** 20;
const megahertz = 1e6;

function reservedOf(bytes: number, limit: number | null, hertz: number | null): RunUse["reserved"] {
  return {
    cpuMhz: Math.round((hertz ?? 0) / megahertz),
    memoryMb: Math.round(bytes / mebibyte),
    memoryMaxMb: limit !== null && limit > bytes ? Math.round(limit / mebibyte) : 0,
    hasCores: hertz === null,
  };
}

/** The sum of a vector with at most one element, such as that of {@link killedQuery}. */
export function countIn(vector: Vector): number {
  return vector.reduce((sum, { value }) => sum + (Number(value[1]) || 0), 0);
}

function keyOf({ alloc_id: allocation, task }: Readonly<Record<string, string>>): string {
  return JSON.stringify([allocation, task]);
}

/** Prometheus writes numbers as texts, among them `NaN` and `+Inf`. */
function valuesIn(vector: Vector): Map<string, number> {
  const read = vector.map(({ metric, value }): [string, number] => [keyOf(metric), Number(value[1])]);
  return new Map(read.filter(([, value]) => Number.isFinite(value)));
}

function inMs(seconds: number | null): number | null {
  return seconds === null ? null : seconds * 1000;
}
