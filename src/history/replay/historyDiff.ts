/** Compares two histories and finds where they diverge. Pure. */
import { summarize, traitsOf } from "../../machines/events.ts";
import type { StoredEvent } from "../../store/eventStore.ts";
import { visible } from "../../units/visible.ts";
import { align, type Pair } from "./alignment.ts";
import { type Change, contextDiff } from "./contextDiff.ts";
import { History, type Moment } from "./history.ts";
import { maskEvent, shownEvent } from "./mask.ts";
import { normalize, type TaskWords, taskWords } from "./normalize.ts";

/** A {@link Change} as programs and pages get it. `left` is its `before`, and `right` is its `after`. */
export interface ShownChange {
  /** `field.inner` */
  readonly path: string;
  /** A missing value is null. */
  readonly left: unknown;
  readonly right: unknown;
}

export function shownChange({ path, before, after }: Change): ShownChange {
  return { path: path.join("."), left: before ?? null, right: after ?? null };
}

/** Two events of one type that match, or an event that only one side has. */
export interface DiffRow extends Pair<Moment> {
  /** Whether both sides have the event, with the same states before and after it, and the same effects. */
  readonly sameStep: boolean;
  /**
   * Differences between the events' data, without fields that differ between any two runs (`ignored` of the
   * type).
   */
  readonly changes: readonly Change[];
  /**
   * Milliseconds since the last event that both sides have. For an event that only one side has, milliseconds
   * since the previous event of that side. Undefined for the first event; negative if a clock was set back.
   */
  readonly spans: Pair<number>;
  /** The right span divided by the left one; undefined if either is missing, or the left one is 0. */
  readonly ratio: number | undefined;
}

export interface HistoryDiff {
  readonly left: History;
  readonly right: History;
  readonly rows: readonly DiffRow[];
  /** The first row that differs by more than the tasks' input; undefined if there is none. */
  readonly divergence: DiffRow | undefined;
  /** Whether nothing differs at all. */
  readonly same: boolean;
}

/** Whether a row is an input event that both tasks received. Its data may differ. */
export function isInput({ left, sameStep }: DiffRow): boolean {
  return sameStep && left !== undefined && traitsOf(left.stored.type)?.shown.category === "input";
}

/** Whether anything in a row differs, except times. */
export function differs({ sameStep, changes }: DiffRow): boolean {
  return !sameStep || changes.length > 0;
}

/**
 * Aligns two histories by the types of their events.
 * @param showArgs false masks possible secrets in the result, but still compares them
 */
export function diffHistories(left: History, right: History, { showArgs = false } = {}): HistoryDiff {
  const words: Pair<TaskWords> = { left: taskWords(left.moments()), right: taskWords(right.moments()) };
  const shown = shownEvent(showArgs);
  const [a, b] = [left, right].map(
    ({ stream, events, machine }) => new History(stream, events.map(shown), machine),
  ) as [History, History];
  /** Times of the last event that both histories have. */
  let common: Pair<number> = { left: undefined, right: undefined };
  const rows = align(left.events, right.events, ({ type }) => type).map((pair): DiffRow => {
    const moments = { left: pair.left && a.at(pair.left.seq), right: pair.right && b.at(pair.right.seq) };
    if (pair.left === undefined || pair.right === undefined) {
      const spans = { left: moments.left?.sinceBefore, right: moments.right?.sinceBefore };
      return { ...moments, sameStep: false, changes: [], spans, ratio: undefined };
    }
    const changes = changesBetween(dataAt(left, pair.left), dataAt(right, pair.right), words);
    const times = { left: pair.left.time, right: pair.right.time };
    const spans = { left: since(common.left, times.left), right: since(common.right, times.right) };
    common = times;
    const { type } = pair.left;
    return {
      ...moments,
      sameStep: isSameStep(pair.left, pair.right),
      changes: showArgs ? changes : changes.map((change) => masked(type, change)),
      spans,
      ratio: ratioOf(spans),
    };
  });
  return {
    left: a,
    right: b,
    rows,
    divergence: rows.find((row) => differs(row) && !isInput(row)),
    same: !rows.some(differs),
  };
}

function isSameStep(left: StoredEvent, right: StoredEvent): boolean {
  const step = ({ from, to, effects }: StoredEvent) => JSON.stringify([from, to, effects]);
  return step(left) === step(right);
}

/**
 * The event's data as the machine reads them, because earlier versions wrote other fields. If the machine
 * cannot read the event, its data as they are stored.
 */
function dataAt(
  history: History,
  { seq, type, data }: StoredEvent,
): { readonly type: string; readonly data: unknown } {
  return { type, data: history.at(seq).event?.data ?? data };
}

/**
 * What differs between the data of two events of a type, without fields that differ between any two runs, and
 * without possible secrets.
 */
export function shownChanges(type: string, left: unknown, right: unknown, words: Pair<TaskWords>): Change[] {
  const changes = changesBetween({ type, data: left }, { type, data: right }, words);
  return changes.map((change) => masked(type, change));
}

/** Compares data. If one side was exported masked, both are compared masked. */
function changesBetween(
  left: ReturnType<typeof dataAt>,
  right: ReturnType<typeof dataAt>,
  words: Pair<TaskWords>,
): Change[] {
  const isMasked = maskEvent(left) === left || maskEvent(right) === right;
  const [one, other] = isMasked ? [maskEvent(left), maskEvent(right)] : [left, right];
  return contextDiff(
    normalize(one.type, one.data, words.left ?? []),
    normalize(other.type, other.data, words.right ?? []),
    listChanges,
  );
}

/** Reports the entries that only one of two lists has. */
function listChanges(
  path: readonly string[],
  before: readonly unknown[],
  after: readonly unknown[],
): Change[] {
  return align(before, after, (entry) => JSON.stringify(entry)).flatMap(({ left, right }) =>
    left !== undefined && right !== undefined ? [] : [{ path, before: left, after: right }],
  );
}

/** Masks the values of a change if its field may hold secrets. */
function masked(type: string, { path, before, after }: Change): Change {
  const maskSide = (value: unknown) => {
    if (value === undefined) return undefined;
    const data = path.reduceRight<unknown>((inner, name) => ({ [name]: inner }), value);
    return path.reduce(
      (inner, name) => (inner as Record<string, unknown>)[name],
      maskEvent({ type, data }).data,
    );
  };
  return { path, before: maskSide(before), after: maskSide(after) };
}

function since(before: number | undefined, time: number): number | undefined {
  return before === undefined ? undefined : time - before;
}

function ratioOf({ left = 0, right = -1 }: Pair<number>): number | undefined {
  return left <= 0 || right < 0 ? undefined : right / left;
}

/** Where two histories diverge, in one or two sentences of visible characters. */
export function divergenceText(diff: HistoryDiff): string {
  return visible(textOf(diff));
}

function textOf(diff: HistoryDiff): string {
  const { rows, divergence, same } = diff;
  if (same) return "No difference, except data that differ between any two runs.";
  if (divergence === undefined) return `The same events, from different input: ${inputChanges(rows)}.`;
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
  const what = event === undefined ? "" : `: ${summarize(event)}`;
  return `continues with ${stored.type}${what} [${seq}]`;
}
