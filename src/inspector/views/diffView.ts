/** Prepares comparisons for the page: of two histories, or of a history with its edited version. Pure. */

import { taskName } from "../../base/taskId.ts";
import { History, type Moment } from "../../history/replay/history.ts";
import {
  type DiffRow,
  differs,
  diffHistories,
  divergenceText,
  type HistoryDiff,
  type ShownChange,
  shownChange,
} from "../../history/replay/historyDiff.ts";
import { isError } from "../../history/replay/search.ts";
import { type Edit, whatIf } from "../../history/replay/whatIf.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";
import { phraseOf } from "./phrase.ts";

export interface DiffView {
  readonly left: DiffSide;
  readonly right: DiffSide;
  readonly same: boolean;
  /** Where the histories diverge, in a sentence or two. */
  readonly text: string;
  readonly rows: readonly DiffLine[];
  /** Number of rows that are left out: they have no difference, or exceed the maximum. */
  readonly omitted: number;
}

export interface DiffSide {
  readonly id: string;
  readonly task: string;
  readonly job: string | null;
  readonly events: number;
  /** Time of the history's first event, in milliseconds since the epoch. */
  readonly begunAt: number;
  readonly outcome: Outcome;
}

export interface DiffLine {
  /** Null if only the other side has the event. */
  readonly left: DiffCell | null;
  readonly right: DiffCell | null;
  readonly differs: boolean;
  /** Whether the histories diverge at this row. */
  readonly diverges: boolean;
  /** What differs in the data of the two events. */
  readonly changes: readonly ShownChange[];
  /** Duration of the step on the right, divided by the duration of the step on the left. */
  readonly ratio: number | null;
}

export interface DiffCell {
  readonly seq: number;
  readonly title: string;
  readonly text: string;
  readonly from: string;
  readonly to: string;
  readonly bad: boolean;
  /** Whether the machine refuses the event in its state. */
  readonly refused: boolean;
  /** Milliseconds that the step took. */
  readonly spanMs: number | null;
}

/** Maximum number of rows. Longer comparisons show only rows with differences. */
const maxRows = 1_000;

export function diffView(diff: HistoryDiff): DiffView {
  const { left, right, rows, divergence, same } = diff;
  const candidates = rows.length > maxRows ? rows.filter(differs) : rows;
  const shown = candidates.slice(0, maxRows);
  return {
    left: sideOf(left),
    right: sideOf(right),
    same,
    text: divergenceText(diff),
    rows: shown.map((row) => lineOf(row, row === divergence)),
    omitted: rows.length - shown.length,
  };
}

function sideOf(history: History): DiffSide {
  const last = history.finalState;
  return {
    id: history.stream,
    task: taskName(history.stream),
    job: last.context.request?.jobId ?? null,
    events: history.length,
    begunAt: history.events[0]?.time ?? 0,
    outcome: outcomeOf(last),
  };
}

function lineOf(row: DiffRow, diverges: boolean): DiffLine {
  const { left, right, changes, spans, ratio = null } = row;
  return {
    left: left === undefined ? null : cellOf(left, spans.left),
    right: right === undefined ? null : cellOf(right, spans.right),
    differs: differs(row),
    diverges,
    changes: changes.map(shownChange),
    ratio,
  };
}

function cellOf(moment: Moment, spanMs: number | undefined): DiffCell {
  const { seq, stored, before, after, accepted } = moment;
  const { title, text } = phraseOf(stored);
  return {
    ...{ seq, title, text, from: before.value, to: after.value },
    ...{ bad: isError(moment), refused: !accepted, spanMs: spanMs ?? null },
  };
}

export interface WhatIfView {
  /** The recorded history on the left, the edited one on the right. */
  readonly diff: DiffView;
  /** Where the histories diverge, and how the edited one ends. */
  readonly text: string;
}

/**
 * Compares a recorded history with the history that the edits would have led to.
 * @throws DriverError `EDITS_INVALID`
 */
export function whatIfView(recorded: History, edits: readonly Edit[]): WhatIfView {
  const { history, fork } = whatIf(recorded, edits);
  const [edited, original] = [history, recorded].map((each) => each.finalState.value);
  const from = fork === 1 ? "Different from the first event on" : `As recorded up to event ${fork - 1}`;
  const end = edited === original ? `still ends in ${edited}` : `ends in ${edited} instead of ${original}`;
  return {
    diff: diffView(diffHistories(recorded, withMachineResults(history))),
    text: `${from}; the task ${end}.`,
  };
}

/** The history with the machine's results in place of the recorded ones. */
function withMachineResults(history: History): History {
  const events = Array.from(history.moments(), ({ stored, before, after, effects }) => ({
    ...stored,
    from: before.value,
    to: after.value,
    effects,
  }));
  return new History(history.stream, events, history.machine);
}
