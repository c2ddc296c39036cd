/**
 * A world with runs of a task whose use of memory is known at each moment, and what the driver records of them: events,
 * and samples at the driver's times, thinned out as in its files.
 */
import fc from "fast-check";
import { foldReadable } from "../../../src/cli/histories/readHistory.ts";
import { type RunUse, runUse } from "../../../src/history/size/runUse.ts";
import type { EventData, TaskEvent } from "../../../src/machines/events.ts";
import { thinned, type UsageSample } from "../../../src/store/usage/usageSample.ts";
import { sampleData } from "../../support/history/history.ts";
import { RecordedLog } from "../../support/history/recordedLog.ts";
import { usageSample } from "../../support/metrics/usage.ts";

export const mib = 2 ** 20;
/** The present moment in the world. */
export const now = 1_800_000_000_000;

export interface WorldRun {
  readonly begunAt: number;
  /** MiB that the program would use, one after another, in parts of its duration. */
  readonly uses: readonly number[];
  readonly durationMs: number;
  /** MiB; null without a limit in force. */
  readonly limitMb: number | null;
  /** The task goes on after the OOM killer has killed a child of it. */
  readonly survivesKill: boolean;
  /** Whether the kernel has `memory.peak`. */
  readonly hasPeak: boolean;
  /** Share of the memory that is swapped out; null if swap is off. */
  readonly swapped: number | null;
  /** When no plugin runs, as shares of the run; a plugin that came back takes its next sample a second later. */
  readonly without: readonly [from: number, to: number] | null;
  /** The run is not over. */
  readonly goesOn: boolean;
  /** Milliseconds by which the clock is set back in the middle of the run. */
  readonly setBackMs: number;
}

export const worldRun: fc.Arbitrary<WorldRun> = fc.record({
  begunAt: fc.integer({ min: now - 10 * 86_400_000, max: now - 86_400_000 }),
  uses: fc.array(use(), { minLength: 1, maxLength: 8 }),
  durationMs: fc.oneof(
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 3_000 }) },
    { weight: 6, arbitrary: fc.integer({ min: 3_000, max: 20_000_000 }) },
  ),
  limitMb: fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom<number | null>(600, 600, 256, 800) },
    { weight: 1, arbitrary: fc.constant(null) },
  ),
  survivesKill: fc.boolean(),
  hasPeak: mostly(true),
  swapped: fc.oneof(
    { weight: 9, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.double({ min: 0, max: 1, noNaN: true }) },
  ),
  without: fc.oneof(
    { weight: 5, arbitrary: fc.constant(null) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1.2, noNaN: true }))
        .map(([a, b]): [number, number] => (a < b ? [a, b] : [b, a])),
    },
  ),
  goesOn: mostly(false),
  setBackMs: fc.oneof(
    { weight: 5, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 60_000 }) },
  ),
});

function use(): fc.Arbitrary<number> {
  const much = { weight: 1, arbitrary: fc.integer({ min: 401, max: 900 }) };
  return fc.oneof({ weight: 20, arbitrary: fc.integer({ min: 1, max: 400 }) }, much);
}

function mostly(value: boolean): fc.Arbitrary<boolean> {
  return fc.oneof(
    { weight: 9, arbitrary: fc.constant(value) },
    { weight: 1, arbitrary: fc.constant(!value) },
  );
}

/** The bytes that a run would have used until its end, or until now, without any limit. */
export function needOf({ uses }: WorldRun): number {
  return Math.max(...uses) * mib;
}

/** The moment at which the kernel kills for lack of memory, as a share of the run; undefined if it does not. */
function killAt({ uses, limitMb }: WorldRun): number | undefined {
  const part = limitMb === null ? -1 : uses.findIndex((use) => use > limitMb);
  return part < 0 ? undefined : part / uses.length;
}

export function recorded(run: WorldRun, reservedMb: number, index: number): RunUse | undefined {
  const { begunAt, durationMs, limitMb, hasPeak, swapped, goesOn } = run;
  const kill = killAt(run);
  const survives = run.survivesKill || goesOn;
  const endShare = kill !== undefined && !survives ? kill : 1;
  const endMs = Math.round(durationMs * endShare);
  // What the clock shows at a moment of the run.
  const clock = (ms: number) => begunAt + ms - (ms > durationMs / 2 ? run.setBackMs : 0);
  const inParts = run.uses.map(
    (use) => Math.min(use, limitMb ?? Number.POSITIVE_INFINITY) * mib * (1 - (swapped ?? 0)),
  );
  const partAt = (ms: number) =>
    Math.min(run.uses.length - 1, Math.floor((ms / durationMs) * run.uses.length));
  const used = (ms: number) => inParts[partAt(ms)] ?? 0;
  const peak = (ms: number) => Math.max(...inParts.slice(0, partAt(ms) + 1));
  const sample = (ms: number, atEnd = false): UsageSample =>
    usageSample({
      time: clock(ms),
      memoryBytes: atEnd ? 0 : used(ms),
      memoryPeakBytes: hasPeak ? peak(Math.min(ms, endMs)) : Number.NaN,
    });
  const [from, to] = (run.without ?? [2, 2]).map((share) => share * endMs) as [number, number];
  const isWatched = (ms: number) => ms < from || ms >= to;
  const samples: UsageSample[] = [];
  // A new plugin takes its first sample a second after it came.
  let kept = false;
  for (let ms = 1_000; ms < endMs; ms += Math.min(60_000, Math.max(1_000, ms / 32))) {
    if (ms >= from && kept) kept = false;
    if (!isWatched(ms) || (ms >= to && ms < to + 1_000)) continue;
    samples.push(sample(ms));
    kept = true;
  }
  const seesEnd = isWatched(endMs);
  if (!goesOn && seesEnd && kept) samples.push(sample(endMs + 5, true));
  const kills = kill === undefined ? 0 : 1;
  const oom = kills === 0 ? null : { kills, limitBytes: (limitMb ?? 0) * mib, peakBytes: null };
  const limits: EventData<"sandboxed">["limits"] = [
    ...(limitMb === null ? [] : [{ file: "memory.max", value: String(limitMb * mib), applied: true }]),
    { file: "memory.swap.max", value: swapped === null ? "0" : "max", applied: true },
  ];
  const at = (type: TaskEvent["type"], ms: number, data: object = {}) =>
    ({ type, time: clock(ms), data: { ...sampleData(type), ...data } }) as TaskEvent;
  const { resources } = sampleData("requested");
  const events = [
    at("requested", 0, { resources: { ...resources, memoryMb: reservedMb } }),
    at("fingerprinted", 0),
    at("sandboxed", 0, { limits }),
    at("started", 0),
    ...(kills > 0 && survives && isWatched(durationMs * (kill ?? 0))
      ? [at("oomSeen", Math.round(durationMs * (kill ?? 0)), oom ?? {})]
      : []),
    ...(goesOn ? [] : [ended()]),
  ];
  return recordedUse(events, kept || samples.length > 0 ? thinned(samples, 160) : [], index);

  function ended(): TaskEvent {
    const isFatal = kills > 0 && !survives;
    const end = isFatal ? { exitCode: 137, signal: 9, oomKilled: true } : { exitCode: 0, signal: 0 };
    return at("exited", endMs + 9, { ...end, oom, endedAt: clock(endMs), source: "status" });
  }
}

export function recordedUse(
  events: readonly TaskEvent[],
  samples: readonly UsageSample[],
  index = 0,
): RunUse | undefined {
  const stream = `6f2d4a9e-0c57-4d2b-8f1e-3b9a7c5d1e20/web/${index}`;
  const stored = new RecordedLog().add(stream, events).events(stream);
  return runUse(
    foldReadable(stored),
    stored,
    samples.toSorted((a, b) => a.time - b.time),
  );
}
