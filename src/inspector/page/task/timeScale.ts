/**
 * The positions of a history's steps on a bar. A start takes milliseconds and a task may run for months, so
 * on a linear scale most steps would share a dot. Therefore the width of a state grows with the logarithm of
 * its duration. Within a state, the scale is linear. Pure.
 */
import type { Steps } from "../../views/stepTable.ts";

/** The time that a task spent in a state. */
export interface Period {
  readonly state: string;
  /** Numbers of its first and last step. The first step led to the state. */
  readonly first: number;
  readonly last: number;
  /** Milliseconds; null for the current state. */
  readonly spanMs: number | null;
  /** Beginning and width, as shares of the bar. */
  readonly from: number;
  readonly width: number;
}

export class TimeScale {
  readonly periods: readonly Period[];
  readonly #steps: Steps;

  constructor(steps: Steps) {
    this.#steps = steps;
    this.periods = periodsOf(steps);
  }

  /** The position of a step, as a share of the bar. */
  placeOf(seq: number): number {
    const period = this.periods.findLast(({ first }) => first <= seq);
    return period === undefined ? 0 : this.#placeIn(period, seq);
  }

  /** The number of the step nearest to a place on the bar. Of steps that are equally near, takes the last. */
  stepAt(place: number): number {
    let [nearest, minDistance] = [0, Number.POSITIVE_INFINITY];
    for (const period of this.periods) {
      for (let seq = period.first; seq <= period.last; seq++) {
        const distance = Math.abs(this.#placeIn(period, seq) - place);
        if (distance <= minDistance) [nearest, minDistance] = [seq, distance];
      }
    }
    return nearest;
  }

  #placeIn({ first, last, spanMs, from, width }: Period, seq: number): number {
    const begun = this.#steps.timeOf(first);
    // The last state has no end, so it is drawn as if it ended a little after its last step.
    const span = spanMs ?? Math.max(0, this.#steps.timeOf(last) - begun) * 1.1;
    return from + width * (span > 0 ? clamp((this.#steps.timeOf(seq) - begun) / span) : 0);
  }
}

function periodsOf(steps: Steps): Period[] {
  const runs: { state: string; first: number; last: number }[] = [];
  for (let seq = 1; seq <= steps.length; seq++) {
    const [run, state] = [runs.at(-1), steps.stateAfter(seq)];
    if (run?.state === state) run.last = seq;
    else runs.push({ state, first: seq, last: seq });
  }
  const spans = runs.map(({ first }, index) => {
    const next = runs[index + 1];
    return next ? Math.max(0, steps.timeOf(next.first) - steps.timeOf(first)) : null;
  });
  // The last state has no duration, so the time between its first and last step counts.
  const weights = runs.map(({ first, last }, index) => {
    const span = spans[index] ?? Math.max(0, steps.timeOf(last) - steps.timeOf(first));
    return 1 + Math.log10(1 + span);
  });
  const sum = weights.reduce((total, weight) => total + weight, 0);
  let from = 0;
  return runs.map((run, index) => {
    const width = (weights[index] ?? 0) / sum;
    const period = { ...run, spanMs: spans[index] ?? null, from, width };
    from += width;
    return period;
  });
}

function clamp(share: number): number {
  return Math.min(1, Math.max(0, share));
}
