/**
 * Groups a task's runs into the blocks of its lane. Runs that are too narrow to be distinguished share a
 * block. Pure.
 */
import type { LaneRun } from "../../views/allocationView.ts";
import type { Outcome } from "../../views/outcome.ts";
import { type Span, shareOf } from "./timeAxis.ts";

export interface Block {
  /** The runs in the block, oldest first. */
  readonly runs: readonly LaneRun[];
  /** Start and end, in pixels of the lane. */
  readonly left: number;
  readonly right: number;
}

/** Runs share a block if they, and the gap between them, are narrower than this. */
const minWidth = 14;

/**
 * @param window the shown span of time
 * @param width width of the lane, in pixels
 * @param now end of runs that are still running
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

/** Whether a narrow run may join the block. */
function isNarrow({ runs, left, right }: Block): boolean {
  return runs.length > 1 || right - left < minWidth;
}

/** An outcome, and the number of runs that have it. */
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
 * The outcomes of runs, such as `38 runs: 37 × Failed with exit code 1, Running`.
 * @param most maximum number of different outcomes that the text names
 */
export function outcomesText(runs: readonly LaneRun[], most = 4): string {
  const texts = countOutcomes(runs).map(({ outcome, runs: count }) =>
    count === 1 ? outcome.text : `${count} × ${outcome.text}`,
  );
  const all = texts.length > most ? [...texts.slice(0, most), "…"] : texts;
  return runs.length === 1 ? texts.join() : `${runs.length} runs: ${all.join(", ")}`;
}

/** The tone of the worst outcome of the runs, so that one failure or loss among many successes is visible. */
export function worstTone(runs: readonly LaneRun[]): Outcome["tone"] {
  const tones = runs.map(({ outcome }) => outcome.tone);
  return (["bad", "unclear", "busy"] as const).find((tone) => tones.includes(tone)) ?? "good";
}

/**
 * The window to show after a click on a block of several runs: all these runs, or the newest part if the
 * runs already fill most of the window.
 */
export function spanOfFold(runs: readonly LaneRun[], window: Span, now: number): Span {
  const from = runs[0]?.begunAt ?? 0;
  const to = Math.max(...runs.map(({ overAt }) => overAt ?? now));
  const margin = Math.max(10, (to - from) / 20);
  const shown = Math.min(to, window.to) - Math.max(from, window.from);
  const quarter = (window.to - window.from) / 4;
  if (shown < 2.5 * quarter) return { from: from - margin, to: to + margin };
  const end = Math.min(to + margin, window.to);
  return { from: end - quarter, to: end };
}
