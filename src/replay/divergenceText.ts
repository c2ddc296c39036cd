/** Describes where two histories diverge, in one or two sentences. Pure. */

import { summarise } from "../machines/events.ts";
import { visible } from "../units/visible.ts";
import type { Moment } from "./history.ts";
import { type DiffRow, type HistoryDiff, isInput } from "./historyDiff.ts";

export function divergenceText(diff: HistoryDiff): string {
  return visible(textOf(diff));
}

function textOf(diff: HistoryDiff): string {
  const { rows, divergence, same } = diff;
  if (same) return "No difference, except what differs between any two runs.";
  if (divergence === undefined) return `The same course, from different input: ${inputChanges(rows)}.`;
  const index = rows.indexOf(divergence);
  const before = rows.slice(0, index);
  const [left, right] = [momentFrom(rows, index, "left"), momentFrom(rows, index, "right")];
  const text = `They diverge ${placeOf(before)}: A ${nextText(left)}, B ${nextText(right)}.`;
  const inputs = inputChanges(before);
  return inputs === "" ? text : `${text} Their input differs: ${inputs}.`;
}

/** Names differing input: `unveil (requested, event 1); unveiled (sandboxed, event 3)`. */
function inputChanges(rows: readonly DiffRow[]): string {
  const differing = rows.filter((row) => isInput(row) && row.changes.length > 0);
  const texts = differing.map(({ left, changes }) => {
    const names = [...new Set(changes.map(({ path }) => path.join(".")))];
    return `${names.join(", ")} (${left?.stored.type}, event ${left?.seq})`;
  });
  return texts.join("; ");
}

function placeOf(before: readonly DiffRow[]): string {
  const last = before.at(-1);
  if (last === undefined) return "from the first event on";
  return `after ${last.left?.stored.type} (event ${[...new Set([last.left?.seq, last.right?.seq])].join(", of B ")})`;
}

function momentFrom(rows: readonly DiffRow[], index: number, side: "left" | "right"): Moment | undefined {
  return rows.slice(index).find((row) => row[side] !== undefined)?.[side];
}

function nextText(moment: Moment | undefined): string {
  if (moment === undefined) return "has no more events";
  const { stored, event, seq } = moment;
  const what = event === undefined ? "" : `: ${summarise(event)}`;
  return `continues with ${stored.type}${what} [${seq}]`;
}
