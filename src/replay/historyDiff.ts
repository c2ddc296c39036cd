/** Two histories side by side, and where they part. Pure. */
import { traitsOf } from "../machines/events.ts";
import type { StoredEvent } from "../store/eventStore.ts";
import { align, type Pair } from "./alignment.ts";
import { type Change, contextDiff } from "./contextDiff.ts";
import { History, type Moment } from "./history.ts";
import { maskEvent, shownEvent } from "./mask.ts";
import { normalize, type TaskWords, taskWords } from "./normalize.ts";

/** Events of one type that stand for each other, or one that only one side has. */
export interface DiffRow extends Pair<Moment> {
  /** Whether both have it, with the same states before and after and the same effects. */
  readonly sameWay: boolean;
  /** What differs in their data, but for what differs between any two runs (`ignored` of its type). */
  readonly changes: readonly Change[];
  /**
   * Milliseconds since the last event that both have; of an event that only one has,
   * since the one before it. Undefined for the first, negative where a clock was set back.
   */
  readonly spans: Pair<number>;
  /** The right's span in times of the left's; undefined where there is none, or the left took no time. */
  readonly ratio: number | undefined;
}

export interface HistoryDiff {
  readonly left: History;
  readonly right: History;
  readonly rows: readonly DiffRow[];
  /** The first row in which something else happened; undefined where nothing did. */
  readonly parting: DiffRow | undefined;
  /** Whether nothing differs at all. */
  readonly same: boolean;
}

/** Whether a row tells what was given to the tasks, and both were. */
export function isGiven({ left, sameWay }: DiffRow): boolean {
  return sameWay && left !== undefined && traitsOf(left.stored.type)?.shown.group === "given";
}

/** Whether anything differs in a row, but for times. */
export function differs({ sameWay, changes }: DiffRow): boolean {
  return !sameWay || changes.length > 0;
}

/**
 * Lines two histories up by the types of their events.
 * @param showArgs false: what may be secret is compared, and masked in what comes of it
 */
export function diffHistories(left: History, right: History, { showArgs = false } = {}): HistoryDiff {
  const words: Pair<TaskWords> = { left: taskWords(left.moments()), right: taskWords(right.moments()) };
  const shown = shownEvent(showArgs);
  const [a, b] = [left, right].map(
    ({ stream, events, machine }) => new History(stream, events.map(shown), machine),
  ) as [History, History];
  /** When the last event was that both have. */
  let common: Pair<number> = { left: undefined, right: undefined };
  const rows = align(left.events, right.events, ({ type }) => type).map((pair): DiffRow => {
    const moments = { left: pair.left && a.at(pair.left.seq), right: pair.right && b.at(pair.right.seq) };
    if (pair.left === undefined || pair.right === undefined) {
      const spans = { left: moments.left?.sinceBefore, right: moments.right?.sinceBefore };
      return { ...moments, sameWay: false, changes: [], spans, ratio: undefined };
    }
    const changes = changesBetween(dataAt(left, pair.left), dataAt(right, pair.right), words);
    const times = { left: pair.left.time, right: pair.right.time };
    const spans = { left: since(common.left, times.left), right: since(common.right, times.right) };
    common = times;
    const { type } = pair.left;
    return {
      ...moments,
      sameWay: isSameWay(pair.left, pair.right),
      changes: showArgs ? changes : changes.map((change) => masked(type, change)),
      spans,
      ratio: ratioOf(spans),
    };
  });
  return {
    left: a,
    right: b,
    rows,
    parting: rows.find((row) => differs(row) && !isGiven(row)),
    same: !rows.some(differs),
  };
}

function isSameWay(left: StoredEvent, right: StoredEvent): boolean {
  const way = ({ from, to, effects }: StoredEvent) => JSON.stringify([from, to, effects]);
  return way(left) === way(right);
}

/** As today's machine takes the event, where it can: earlier versions wrote other fields. */
function dataAt(
  history: History,
  { seq, type, data }: StoredEvent,
): { readonly type: string; readonly data: unknown } {
  return { type, data: history.at(seq).event?.data ?? data };
}

/** A history that was exported masked cannot be compared in what is masked there. */
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

/** Entries that only one of two lists has. */
function listChanges(
  path: readonly string[],
  before: readonly unknown[],
  after: readonly unknown[],
): Change[] {
  return align(before, after, (entry) => JSON.stringify(entry)).flatMap(({ left, right }) =>
    left !== undefined && right !== undefined ? [] : [{ path, before: left, after: right }],
  );
}

/** The same change without what may be secret in the field that it is in. */
function masked(type: string, { path, before, after }: Change): Change {
  const [field = ""] = path;
  const maskSide = (value: unknown) =>
    value === undefined ? undefined : maskEvent({ type, data: { [field]: value } }).data[field];
  return { path, before: maskSide(before), after: maskSide(after) };
}

function since(before: number | undefined, time: number): number | undefined {
  return before === undefined ? undefined : time - before;
}

function ratioOf({ left = 0, right = -1 }: Pair<number>): number | undefined {
  return left <= 0 || right < 0 ? undefined : right / left;
}
