/**
 * Where the steps of a history lie on a bar. A start takes milliseconds and a
 * task may run for months: on a scale of equal parts all but one step would be
 * one dot. So a state has room by the logarithm of how long it was held, and
 * within it time goes evenly. Pure.
 */
import type { StepLine } from "../../views/story.ts";

/** A state, held from one step to another. */
export interface Period {
  readonly state: string;
  /** Milliseconds; null while it goes on. */
  readonly spanMs: number | null;
  /** Where it begins and how much room it has: shares of the bar. */
  readonly from: number;
  readonly width: number;
}

export interface TimeScale {
  readonly periods: readonly Period[];
  /** Where each step lies, as a share of the bar. */
  readonly places: readonly number[];
}

export function timeScale(steps: readonly StepLine[]): TimeScale {
  const runs = runsOf(steps);
  const spans = runs.map(([first], index) => {
    const next = runs[index + 1]?.[0];
    return first && next ? Math.max(0, next.time - first.time) : null;
  });
  const lastTimes = runs.map((run) => Math.max(0, (run.at(-1)?.time ?? 0) - (run[0]?.time ?? 0)));
  // The last state ends nowhere: it has room for the steps in it, and for its name.
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

/** The step that lies nearest to a place on the bar, from 1; later ones go before earlier ones. */
export function stepAt({ places }: TimeScale, place: number): number {
  let [nearest, least] = [0, Number.POSITIVE_INFINITY];
  for (const [index, each] of places.entries()) {
    const distance = Math.abs(each - place);
    if (distance > least) continue;
    [nearest, least] = [index, distance];
  }
  return nearest + 1;
}

/** Steps that follow each other without leaving a state. */
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
