/**
 * Sizes of a task from what its runs used. A smaller size is proposed only if the record of each run shows that the run
 * would not have been killed with it. Pure.
 */
import { countOf } from "../../units/counts.ts";
import { formatDuration } from "../../units/durations.ts";
import { formatBytes } from "../../units/sizes.ts";
import { mostOf } from "../why/usage.ts";
import type { Amount, Reserved, RunUse, SizedTask } from "./runUse.ts";

export interface SizingOptions {
  /** How much more than the most that was used, as a share: 0.2. */
  readonly headroom: number;
  /**
   * Whether what was measured counts as all that a run needs, although the record does not tell: of runs that go on, that
   * were not measured to their end, or whose end is unknown. Without it, CPU is never proposed.
   */
  readonly measured: boolean;
  /** Runs that were killed for lack of memory, of which the evidence does not tell the task. */
  readonly killed?: number;
}

/** A figure over runs: quantiles by nearest rank. */
export interface Distribution {
  /** Number of runs with this figure. */
  readonly runs: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly most: number;
}

export interface Size {
  /** In the unit of job files: MiB, MHz. */
  readonly reserved: number;
  /** Less than what is reserved; null if nothing less is proposed. */
  readonly proposed: number | null;
  /** In the same unit. Null if it was not measured. */
  readonly used: Distribution | null;
  /** Sentences without their full stop: why nothing less is proposed, or what the proposal rests on. */
  readonly notes: readonly string[];
}

export interface TaskSizing extends SizedTask {
  readonly runs: {
    readonly count: number;
    /** Those that go on, as far as their record tells. */
    readonly going: number;
    /** Those with the kernel's own peak of memory up to their end. */
    readonly whole: number;
    /** Those in which processes were killed for lack of memory. */
    readonly killed: number;
  };
  /** Milliseconds since the epoch: when the first run began, and the last one ended, or now. */
  readonly from: number;
  readonly to: number;
  readonly memory: Size | null;
  readonly cpu: Size | null;
  /** Runs that the CPU limit held back, and for how long at most; with earlier runs in the same cgroup. */
  readonly throttled: { readonly runs: number; readonly mostMs: number };
  /** The largest share of a run in which some of its processes waited for memory. */
  readonly memoryWaiting: number | null;
  readonly disk: Amount;
  readonly processes: Amount;
  readonly stalls: number;
  /** Why the evidence is thin; empty if it is not. */
  readonly thin: readonly string[];
}

const mebibyte = 2 ** 20;
/** Nomad refuses less. */
const leastMemoryMb = 10;
/** A smaller share is not worth a change of the job. */
const leastSaving = 0.05;
/** Of runs alike, a further one uses more than all of these with a chance of 1 in 21. */
const enoughRuns = 20;
/** Days of the week differ; by default the driver keeps histories for a week. */
const enoughMs = 5 * 86_400_000;

/** Sizes of each task among the runs, by namespace, job, group and name. @param now milliseconds since the epoch */
export function sizesOf(runs: readonly RunUse[], options: SizingOptions, now: number): TaskSizing[] {
  const tasks = Map.groupBy(runs, ({ namespace, job, group, task }) =>
    JSON.stringify([namespace, job, group, task]),
  );
  const inOrder = [...tasks].sort(([one], [other]) => (one < other ? -1 : 1));
  return inOrder.map(([, own]) => sizeOf(own as [RunUse, ...RunUse[]], options, now));
}

function sizeOf(runs: readonly [RunUse, ...RunUse[]], options: SizingOptions, now: number): TaskSizing {
  const newest = runs.reduce((a, b) => (b.begunAt > a.begunAt ? b : a));
  const { namespace, job, group, task, reserved } = newest;
  const from = runs.reduce((first, { begunAt }) => Math.min(first, begunAt), now);
  const to = runs.reduce((last, { endedAt }) => Math.max(last, endedAt ?? now), from);
  const held = runs.filter(({ cpu }) => (cpu.throttledMs ?? 0) >= 1);
  const throttled = { runs: held.length, mostMs: mostOf(held.map(({ cpu }) => cpu.throttledMs)) ?? 0 };
  return {
    ...{ namespace, job, group, task },
    runs: {
      count: runs.length,
      going: runs.filter(({ endedAt }) => endedAt === null).length,
      whole: runs.filter(({ memory }) => memory.isWhole).length,
      killed: runs.filter(({ memory }) => (memory.kills ?? 0) > 0).length,
    },
    ...{ from, to },
    memory: reserved === null ? null : memorySize(runs, reserved, options),
    cpu: reserved === null ? null : cpuSize(runs, reserved, throttled, options),
    throttled,
    memoryWaiting: mostOf(runs.map(({ memory }) => memory.waiting)),
    disk: amountOf(runs.map(({ disk }) => disk)),
    processes: amountOf(runs.map(({ processes }) => processes)),
    stalls: runs.reduce((sum, { stalls }) => sum + (stalls ?? 0), 0),
    thin: thinness(runs.length, to - from),
  };
}

function thinness(runs: number, spanMs: number): string[] {
  return [
    ...(runs < enoughRuns ? [countOf(runs, "run")] : []),
    ...(spanMs < enoughMs ? [`${formatDuration(Math.max(0, spanMs))} from the first to the last`] : []),
  ];
}

/** Why the peak of a run does not tell what it needed. */
type Obstacle = "killed" | "perhapsKilled" | "going" | "swapped" | "partial" | "unmeasured";

/** @returns undefined if the peak counts as what the run needed */
function obstacleOf({ memory, endedAt }: RunUse, measured: boolean): Obstacle | undefined {
  const { peakBytes, isWhole, kills, maySwap } = memory;
  if ((kills ?? 0) > 0) return "killed";
  if (!measured && kills === null) return "perhapsKilled";
  if (!measured && endedAt === null) return "going";
  if (peakBytes === null) return measured ? undefined : "unmeasured";
  if (maySwap) return "swapped";
  return isWhole || measured ? undefined : "partial";
}

/**
 * The bytes with which a run would certainly not have been killed for lack of memory: its peak, which it would not have
 * passed, or, if the peak does not tell it, the limit under which nothing was killed. Infinite if neither is known, and for
 * a run that goes on: nobody may have recorded yet what was killed.
 */
export function enoughFor(run: RunUse, measured: boolean): number {
  const { peakBytes, limitBytes } = run.memory;
  const obstacle = obstacleOf(run, measured);
  if (obstacle === undefined) return peakBytes ?? 0;
  const isOpen = obstacle === "killed" || obstacle === "perhapsKilled" || obstacle === "going";
  return isOpen ? Number.POSITIVE_INFINITY : (limitBytes ?? Number.POSITIVE_INFINITY);
}

function memorySize(
  runs: readonly RunUse[],
  { memoryMb, memoryMaxMb }: Reserved,
  options: SizingOptions,
): Size | null {
  const { headroom, measured, killed = 0 } = options;
  if (memoryMb <= 0) return null;
  const used = distributionOf(runs.map(({ memory }) => memory.peakBytes));
  const enough = mostOf(runs.map((run) => enoughFor(run, measured))) ?? Number.POSITIVE_INFINITY;
  const wanted = Math.max(enough, (used?.most ?? Number.POSITIVE_INFINITY) * (1 + headroom));
  const proposed = Math.max(leastMemoryMb, Math.ceil(wanted / mebibyte));
  const isLess = killed === 0 && proposed <= memoryMb * (1 - leastSaving);
  const notes = isLess ? groundsFor(runs, proposed, measured) : obstacles(runs, memoryMb, options, used);
  return {
    reserved: memoryMb,
    proposed: isLess ? proposed : null,
    used: used && scaled(used, mebibyte),
    notes: [...notes, ...(memoryMaxMb === 0 ? [] : [`memory_max stays ${memoryMaxMb}: it reserves nothing`])],
  };
}

function groundsFor(runs: readonly RunUse[], proposed: number, measured: boolean): string[] {
  const byLimit = runs.filter((run) => obstacleOf(run, measured) !== undefined);
  const inPart = runs.filter((run) => obstacleOf(run, measured) === undefined && !run.memory.isWhole);
  const none = runs.length === 1 ? "the run would not" : `none of the ${countOf(runs.length, "run")} would`;
  return [
    `With ${proposed} MiB, ${none} have been killed${inPart.length > 0 ? ", by what was measured" : ""}`,
    ...say(
      inPart,
      (runs) => `${runs} still going, or not measured to the end: the rest does not count, by --measured`,
    ),
    ...say(byLimit, (runs) => `${runs} with an unknown peak got on with no more than that`),
  ];
}

/** Why no less memory is proposed: what the record of some runs does not tell, or what they use. */
function obstacles(
  runs: readonly RunUse[],
  memoryMb: number,
  { headroom, measured, killed: unplaced = 0 }: SizingOptions,
  used: Distribution | null,
): string[] {
  const enough = memoryMb * mebibyte * (1 - leastSaving);
  const open = runs.filter((run) => enoughFor(run, measured) > enough);
  const inWay = Map.groupBy(open, (run) => obstacleOf(run, measured));
  const notes = [
    ...(unplaced === 0
      ? []
      : [
          `${countOf(unplaced, "run")} ended for lack of memory, of this task or another one of the job: the need is not known. --since leaves them out`,
        ]),
    ...say(inWay.get("killed") ?? [], (count, runs) => killedText(count, runs, memoryMb)),
    ...Object.entries(obstacleTexts).flatMap(([obstacle, text]) =>
      say(inWay.get(obstacle as Obstacle) ?? [], text),
    ),
  ];
  if (notes.length > 0) return notes;
  if (used === null) return ["Memory was not measured"];
  const full = open.filter(
    ({ memory }) => (memory.peakBytes ?? 0) >= (memory.limitBytes ?? Number.POSITIVE_INFINITY),
  );
  return full.length > 0
    ? say(
        full,
        (runs) => `${runs} reached the limit, and nothing was killed: files in the page cache count, too`,
      )
    : [
        `The most that was used, and ${Math.round(headroom * 100)} % more, is nearly what is reserved, or more`,
      ];
}

const obstacleTexts: Readonly<Record<Exclude<Obstacle, "killed">, (runs: string) => string>> = {
  perhapsKilled: (runs) =>
    `Of ${runs}, it is not known whether processes were killed for lack of memory; --measured counts what was measured`,
  swapped: (runs) => `${runs} could swap, and what was swapped out is not in the peak`,
  going: (runs) => `${runs} still going: the need is not known; --measured counts what was used so far`,
  partial: (runs) => `The peak of ${runs} was not measured to the end; --measured counts what was measured`,
  unmeasured: (runs) =>
    `The memory of ${runs} was not measured: shorter than a second, or without a memory controller; --measured leaves them out`,
};

function killedText(count: string, runs: readonly RunUse[], memoryMb: number): string {
  const limit = mostOf(runs.map(({ memory }) => memory.limitBytes));
  const at = limit === null ? "" : ` at a limit of ${formatBytes(limit)}`;
  const isRaised = limit === null || limit < memoryMb * mebibyte;
  const advice = isRaised ? "--since leaves such runs out" : "Raise memory, and then size again with --since";
  return `In ${count}, the kernel killed processes for lack of memory${at}: the need is not known, but greater. ${advice}`;
}

function say(runs: readonly RunUse[], text: (count: string, runs: readonly RunUse[]) => string): string[] {
  return runs.length === 0 ? [] : [text(countOf(runs.length, "run"), runs)];
}

/** CPU shorter than a sample's span is not in the record: less of it kills nothing, but makes a task slower. */
function cpuSize(
  runs: readonly RunUse[],
  { cpuMhz, hasCores }: Reserved,
  throttled: TaskSizing["throttled"],
  { headroom, measured }: SizingOptions,
): Size | null {
  if (hasCores || cpuMhz <= 0) return null;
  const used = distributionOf(runs.map(({ cpu }) => cpu.most));
  const spanMs = mostOf(runs.map(({ cpu }) => cpu.spanMs)) ?? 0;
  const wanted = (used?.most ?? Number.POSITIVE_INFINITY) * (1 + headroom);
  const proposed = Math.max(10, Math.ceil(wanted / 10) * 10);
  const isLess = proposed <= cpuMhz * (1 - leastSaving);
  const base = { reserved: cpuMhz, used };
  if (used === null) return { ...base, proposed: null, notes: ["CPU was not measured"] };
  const bursts = `Figures are averages over up to ${formatDuration(spanMs)}: less CPU would make shorter bursts take longer`;
  if (throttled.runs > 0) {
    const text = `The limit held back ${countOf(throttled.runs, "run")}, by up to ${formatDuration(throttled.mostMs)}: what they would have used is not known`;
    return { ...base, proposed: null, notes: [text] };
  }
  if (!isLess) return { ...base, proposed: null, notes: [] };
  return measured
    ? { ...base, proposed, notes: [bursts] }
    : { ...base, proposed: null, notes: [`${bursts}. --measured proposes ${proposed} all the same`] };
}

function scaled({ runs, ...figures }: Distribution, by: number): Distribution {
  const all = Object.entries(figures).map(([name, figure]) => [name, figure / by]);
  return { runs, ...(Object.fromEntries(all) as typeof figures) };
}

/** The quantiles of the known figures, by nearest rank. */
export function distributionOf(figures: readonly (number | null)[]): Distribution | null {
  const known = figures.filter((figure) => figure !== null).sort((a, b) => a - b);
  const at = (share: number) => known[Math.max(0, Math.ceil(share * known.length) - 1)] ?? Number.NaN;
  return known.length === 0
    ? null
    : { runs: known.length, p50: at(0.5), p90: at(0.9), p99: at(0.99), most: at(1) };
}

function amountOf(amounts: readonly Amount[]): Amount {
  return {
    most: mostOf(amounts.map(({ most }) => most)),
    limit: mostOf(amounts.map(({ limit }) => limit)),
  };
}
