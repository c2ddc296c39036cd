/** Runs of a task as blocks on its lane: those that are too narrow to be told apart become one. Pure. */
import type { LaneRun } from "../../views/allocation/allocationView.ts";
import type { Outcome } from "../../views/outcome.ts";
import { type Span, shareOf } from "./timeAxis.ts";

export interface Block {
  /** The runs in it, the oldest first. */
  readonly runs: readonly LaneRun[];
  /** Begin and end, in pixels of the lane. */
  readonly left: number;
  readonly right: number;
}

/** A narrower run is folded with its neighbours, if any is nearer than this, too. */
const minWidth = 14;

/**
 * @param window the shown stretch of time
 * @param width of the lane, in pixels
 * @param now where runs end that go on
 */
export function foldRuns(runs: readonly LaneRun[], window: Span, width: number, now: number): Block[] {
  const blocks: Block[] = [];
  for (const run of runs) {
    const left = shareOf(window, run.begunAt) * width;
    const right = shareOf(window, run.overAt ?? Math.max(now, run.begunAt)) * width;
    if (right < 0 || left > width) continue;
    const before = blocks.at(-1);
    if (
      before !== undefined &&
      isNarrow(before) &&
      right - left < minWidth &&
      left - before.right < minWidth
    ) {
      blocks[blocks.length - 1] = { runs: [...before.runs, run], left: before.left, right };
    } else blocks.push({ runs: [run], left, right });
  }
  return blocks;
}

/** Whether a narrow run may join it. */
function isNarrow({ runs, left, right }: Block): boolean {
  return runs.length > 1 || right - left < minWidth;
}

/** How many runs ended in which way, the most frequent first. */
export interface Count {
  readonly outcome: Outcome;
  readonly runs: number;
}

export function countOutcomes(runs: readonly LaneRun[]): Count[] {
  const counts = Map.groupBy(runs, ({ outcome }) => outcome.text);
  return Array.from(counts.values(), (same) => ({
    outcome: (same[0] as LaneRun).outcome,
    runs: same.length,
  })).sort((a, b) => b.runs - a.runs);
}

/**
 * `38 runs: 37 × Failed with exit code 1, Running`.
 * @param most kinds of outcomes to name
 */
export function outcomesText(runs: readonly LaneRun[], most = 4): string {
  const texts = countOutcomes(runs).map(({ outcome, runs: count }) =>
    count === 1 ? outcome.text : `${count} × ${outcome.text}`,
  );
  const all = texts.length > most ? [...texts.slice(0, most), "…"] : texts;
  return runs.length === 1 ? texts.join() : `${runs.length} runs: ${all.join(", ")}`;
}

/** The worst that happened in the runs: one failure among many successes is what a person looks for. */
export function worstTone(runs: readonly LaneRun[]): Outcome["tone"] {
  const tones = runs.map(({ outcome }) => outcome.tone);
  return (["bad", "busy"] as const).find((tone) => tones.includes(tone)) ?? "good";
}
