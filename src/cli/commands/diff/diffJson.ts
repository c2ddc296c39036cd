/** A diff of two histories as JSON. Pure. */

import { divergenceText } from "../../../replay/divergenceText.ts";
import type { History, Moment } from "../../../replay/history.ts";
import { type HistoryDiff, shownChange } from "../../../replay/historyDiff.ts";
import { visibleJson } from "../../../units/visible.ts";

/** One JSON object; missing values are null. */
export function diffJson(diff: HistoryDiff): string {
  const { left, right, rows, divergence, same } = diff;
  return visibleJson({
    left: sideJson(left),
    right: sideJson(right),
    same,
    divergence: divergence
      ? { left: divergence.left?.seq ?? null, right: divergence.right?.seq ?? null }
      : null,
    text: divergenceText(diff),
    rows: rows.map((row) => ({
      left: momentJson(row.left, row.spans.left),
      right: momentJson(row.right, row.spans.right),
      sameWay: row.sameWay,
      ratio: row.ratio ?? null,
      changes: row.changes.map(shownChange),
    })),
  });
}

function sideJson(history: History) {
  const { value: state, context } = history.finalState;
  return { id: history.stream, job: context.request?.jobId ?? null, state, events: history.length };
}

function momentJson(moment: Moment | undefined, spanMs: number | undefined) {
  if (moment === undefined) return null;
  const { seq, stored } = moment;
  const { type, time, from, to, effects, data } = stored;
  return { seq, type, time, afterMs: spanMs ?? null, from, to, effects, data };
}
