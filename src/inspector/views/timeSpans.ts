/** Counts what happened in equal spans of time. Pure: the page loads it. */

export interface TimeSpans {
  /** Beginning of the first span, in milliseconds since the epoch. */
  readonly from: number;
  readonly spanMs: number;
}

const spansOfChart = 60;

/** Spans that end now and reach back to the first time, over at least a minute. */
export function spansSince(first: number, now: number): TimeSpans {
  const spanMs = Math.max(1_000, Math.ceil((now - first + 1) / spansOfChart));
  return { from: now - spansOfChart * spanMs, spanMs };
}

/** How many of the times are in each span. A time before the first span counts as in it, null as in none. */
export function countIn({ from, spanMs }: TimeSpans, times: readonly (number | null)[]): number[] {
  const counts = new Array<number>(spansOfChart).fill(0);
  for (const time of times) {
    if (time === null) continue;
    const index = Math.min(spansOfChart - 1, Math.max(0, Math.floor((time - from) / spanMs)));
    counts[index] = (counts[index] ?? 0) + 1;
  }
  return counts;
}
