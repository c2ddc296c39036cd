/**
 * The positions of a history's steps on a bar. A start takes milliseconds and a
 * task may run for months, so on a linear scale all steps but one would share a
 * dot. Therefore the width of a state is the logarithm of its duration. Within a
 * state, the scale is linear. Pure.
 */
import type { StepLine } from "../../views/story.ts";

/** The time that a task spent in a state. */
export interface Period {
  readonly state: string;
  /** Milliseconds; null for the current state. */
  readonly spanMs: number | null;
  /** Begin and width, as shares of the bar. */
  readonly from: number;
  readonly width: number;
}

export interface TimeScale {
  readonly periods: readonly Period[];
  /** The position of each step, as a share of the bar. */
  readonly places: readonly number[];
}

export function timeScale(steps: readonly StepLine[]): TimeScale {
  const runs = runsOf(steps);
  const spans = runs.map(([first], index) => {
    const next = runs[index + 1]?.[0];
    return first && next ? Math.max(0, next.time - first.time) : null;
  });
  const lastTimes = runs.map((run) => Math.max(0, (run.at(-1)?.time ?? 0) - (run[0]?.time ?? 0)));
  // The last state has no end. It gets room for its steps and its name.
  const weights = spans.map((span, index) => 1 + Math.log10(1 + (span ?? lastTimes[index] ?? 0)));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  let from = 0;
  const periods = runs.map((run, index): Period => {
    const width = (weights[index] ?? 0) / sum;
    const period = { state: run[0]?.to ?? "", spanMs: spans[index] ?? null, from, width };
    from += width;
    return period;
  });
  const places = runs.flatMap((run, index) => {
    const { from: start, width } = periods[index] as Period;
    const [begun, span] = [run[0]?.time ?? 0, spans[index] ?? (lastTimes[index] ?? 0) * 1.1];
    return run.map(({ time }) => start + width * (span > 0 ? clamp((time - begun) / span) : 0));
  });
  return { periods, places };
}

/** The number of the step nearest to a place on the bar; of equally near ones, the last. */
export function stepAt({ places }: TimeScale, place: number): number {
  let [nearest, minDistance] = [0, Number.POSITIVE_INFINITY];
  for (const [index, each] of places.entries()) {
    const distance = Math.abs(each - place);
    if (distance > minDistance) continue;
    [nearest, minDistance] = [index, distance];
  }
  return nearest + 1;
}

/** Groups consecutive steps in the same state. */
function runsOf(steps: readonly StepLine[]): StepLine[][] {
  const runs: StepLine[][] = [];
  for (const step of steps) {
    const run = runs.at(-1);
    if (run !== undefined && run[0]?.to === step.to) run.push(step);
    else runs.push([step]);
  }
  return runs;
}

function clamp(share: number): number {
  return Math.min(1, Math.max(0, share));
}
