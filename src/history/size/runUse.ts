/** What one run of a task has used, and how far its record tells that. Pure. */
import { parentJob } from "../../base/jobName.ts";
import { limitsOf, type TaskContext } from "../../machines/taskContext.ts";
import { isOver, type TaskSnapshot } from "../../machines/taskMachine.ts";
import type { StoredEvent } from "../../store/eventStore.ts";
import type { UsageSample } from "../../store/usage/usageSample.ts";
import { isDamaged } from "../replay/storedHistory.ts";
import { mostOf, mostStored, peakOf, usageSpans } from "../why/usage.ts";

/** What a job file's `resources` have of a task. */
export interface Reserved {
  readonly cpuMhz: number;
  readonly memoryMb: number;
  /** 0 without `memory_max`; -1 means no limit. */
  readonly memoryMaxMb: number;
  /** Whether the job reserves whole cores, and no MHz. */
  readonly hasCores: boolean;
}

/** A task of a job, with the jobs that Nomad makes of it for each period or dispatch. */
export interface SizedTask {
  readonly namespace: string;
  readonly job: string;
  readonly group: string;
  readonly task: string;
}

/** A run's use of resources. Null stands for what its record does not tell. */
export interface RunUse extends SizedTask {
  /** Milliseconds since the epoch. */
  readonly begunAt: number;
  /** Null if the run goes on, as far as its record tells. */
  readonly endedAt: number | null;
  readonly reserved: Reserved | null;
  readonly memory: {
    /** The most that counted against the limit. It includes earlier runs in the same cgroup. */
    readonly peakBytes: number | null;
    /** Whether the kernel itself recorded the peak, and was asked for it after the run's end. */
    readonly isWhole: boolean;
    /** The limit that was in force; null also without one. */
    readonly limitBytes: number | null;
    /** Processes that were killed for lack of memory; null if it is not known whether there were any. */
    readonly kills: number | null;
    /** Whether some of its memory may have been swapped out, which is not in the peak. */
    readonly maySwap: boolean;
    /** Share of the time in which some of its processes waited for memory. */
    readonly waiting: number | null;
  };
  readonly cpu: {
    /** MHz, on average over the run. */
    readonly mean: number | null;
    /** MHz in the busiest span between two samples, and the length of the longest span. */
    readonly most: number | null;
    readonly spanMs: number;
    /** Milliseconds in which the limit held the run back. */
    readonly throttledMs: number | null;
  };
  /** Bytes in its own folders, and their limit. */
  readonly disk: Amount;
  /** Processes and threads at the moments of the samples, and their limit. */
  readonly processes: Amount;
  /** How often it was recorded that the run stalled, by its option `pressure`. */
  readonly stalls: number | null;
}

export interface Amount {
  readonly most: number | null;
  readonly limit: number | null;
}

/**
 * A run's use, from its events and its samples.
 * @param snapshot after the last event
 * @returns undefined for a run that was never requested by an agent, or never began
 */
export function runUse(
  { value, context }: TaskSnapshot,
  events: readonly StoredEvent[],
  samples: readonly UsageSample[],
): RunUse | undefined {
  const { request, exit, startedAt, failure, stalls } = context;
  if (request === null || (startedAt === null && failure !== null)) return undefined;
  const { namespace, jobId, groupName, taskName } = request;
  const { cpuMhz, memoryMb, memoryMaxMb, cpusetCpus } = request.resources;
  const limits = limitsOf(context);
  const isKnown = !events.some(isDamaged);
  const isWhole = isKnown && coversEnd(context, events, samples);
  return {
    ...{ namespace, job: parentJob(jobId), group: groupName, task: taskName },
    begunAt: startedAt ?? events[0]?.time ?? 0,
    endedAt: exit?.endedAt ?? (isOver(value) ? (events.at(-1)?.time ?? 0) : null),
    reserved: { cpuMhz, memoryMb, memoryMaxMb, hasCores: cpusetCpus !== "" },
    memory: {
      peakBytes: peakOf(samples),
      isWhole,
      limitBytes: limits.memoryBytes,
      kills: isKnown ? killsOf(value, context, isWhole) : null,
      maySwap: maySwap(context),
      waiting: waitingFor(samples, "memory"),
    },
    cpu: cpuOf(context, samples, limits.cores),
    disk: { most: mostOf([mostStored(samples), exit?.disk?.bytes]), limit: limits.diskBytes },
    processes: { most: mostOf(samples.map(({ pids }) => pids)), limit: limits.pids },
    stalls: stalls.reduce((sum, { count }) => sum + count, 0),
  };
}

/**
 * Whether the last sample has the kernel's peak of the whole run: it was taken after the run's end. The driver takes it
 * before it records the end; a later time shows that the clock was set back.
 */
function coversEnd(
  { exit }: TaskContext,
  events: readonly StoredEvent[],
  samples: readonly UsageSample[],
): boolean {
  const last = samples.at(-1);
  const recordedAt = events.findLast(({ type }) => type === "exited")?.time;
  if (last === undefined || exit === null || recordedAt === undefined) return false;
  return !Number.isNaN(last.memoryPeakBytes) && exit.endedAt <= last.time && last.time <= recordedAt;
}

/** @param isWhole whether the driver saw the run's cgroup after its end */
function killsOf(state: string, context: TaskContext, isWhole: boolean): number | null {
  const { exit, oom, stop, forceKilled } = context;
  const kills = Math.max(exit?.oom?.kills ?? 0, oom?.kills ?? 0);
  if (kills > 0) return kills;
  if (exit?.oomKilled === true) return 1;
  if (exit === null) return isOver(state) ? null : 0;
  if (isWhole) return 0;
  // The cgroup with its count may have been gone, or somebody else may kill where memory is short.
  const wasKilled = exit.signal === 9 && stop === null && !forceKilled;
  return exit.source !== "status" || wasKilled ? null : 0;
}

/** Without `memory.swap.max` = 0 in force, the kernel may swap. */
function maySwap({ sandbox }: TaskContext): boolean {
  const limit = sandbox?.limits.find(({ file }) => file === "memory.swap.max");
  return !(limit?.applied === true && limit.value === "0");
}

function waitingFor(samples: readonly UsageSample[], resource: "memory"): number | null {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined || first === last) return null;
  return usageSpans([first, last])[0]?.waiting[resource] ?? null;
}

function cpuOf(
  { host, startedAt }: TaskContext,
  samples: readonly UsageSample[],
  limitCores: number | null,
): RunUse["cpu"] {
  const [first, last] = [samples[0], samples.at(-1)];
  const mhz = host?.mhzPerCore ?? 0;
  if (first === undefined || last === undefined || mhz <= 0) {
    return { mean: null, most: null, spanMs: 0, throttledMs: null };
  }
  // The sums begin with the cgroup. More than the limit in this span shows that they include earlier runs.
  const begin = startedAt === null ? undefined : { ...first, time: startedAt, userUs: 0, systemUs: 0 };
  const start = begin === undefined ? [] : usageSpans([begin, first]);
  const isOwn = ({ cores }: { readonly cores: number | null }) =>
    limitCores === null || (cores ?? 0) <= limitCores * tolerance;
  const spans = [...start.filter(isOwn), ...usageSpans(spaced(samples))];
  const mean = first === last ? start.filter(isOwn) : usageSpans([first, last]);
  const inMhz = (cores: number | null | undefined) => (cores == null ? null : cores * mhz);
  return {
    mean: inMhz(mean[0]?.cores),
    most: inMhz(mostOf(spans.map(({ cores }) => cores))),
    spanMs: Math.max(0, ...spans.map(({ spanMs }) => spanMs)),
    throttledMs: Number.isNaN(last.throttledUs) ? null : last.throttledUs / 1000,
  };
}

/** Samples are read a moment after their time. */
const tolerance = 1.1;

/** The last sample may follow soon. In so short a span, a task may use all that its limit gives it for a while. */
const leastSpanMs = 900;

function spaced(samples: readonly UsageSample[]): UsageSample[] {
  return samples.filter(
    ({ time }, index) => (samples[index + 1]?.time ?? Number.POSITIVE_INFINITY) - time >= leastSpanMs,
  );
}
