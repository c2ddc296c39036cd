/**
 * Finds events that repeat, such as health checks, so that a view can show many of them in one line. Pure.
 */
import type { StoredEvent } from "../../store/eventStore.ts";
import { normalize } from "./normalize.ts";

/** Items that repeat: a single item, or two that alternate. */
export interface Repeat<T> {
  readonly repeated: readonly T[];
  /** Number of items in a round: 1 or 2. */
  readonly period: number;
}

/** Fewer rounds than this are not folded. */
const minRounds = 4;

/**
 * Folds items that repeat earlier items. The first round of each repetition stays, and so does the last.
 * @param keyOf returns the same key for items that repeat each other
 */
export function foldRepeats<T>(items: readonly T[], keyOf: (item: T) => string): (T | Repeat<T>)[] {
  const keys = items.map(keyOf);
  const folded: (T | Repeat<T>)[] = [];
  for (let at = 0; at < items.length; ) {
    const [period, count] = longestRepeat(keys, at);
    if (count < minRounds * period) {
      folded.push(items[at] as T);
      at += 1;
      continue;
    }
    const end = at + count;
    folded.push(...items.slice(at, at + period));
    folded.push({ repeated: items.slice(at + period, end - period), period });
    folded.push(...items.slice(end - period, end));
    at = end;
  }
  return folded;
}

export function isRepeat<T extends object>(item: T | Repeat<T>): item is Repeat<T> {
  return "repeated" in item && "period" in item;
}

/** The period that repeats longest from an index on, and how many items it covers. */
function longestRepeat(keys: readonly string[], at: number): readonly [period: number, count: number] {
  const lengths = [1, 2].map((period) => {
    let count = period;
    while (at + count < keys.length && keys[at + count] === keys[at + count - period]) count += 1;
    return [period, count - (count % period)] as const;
  });
  return lengths.reduce((a, b) => (b[1] > a[1] ? b : a));
}

/** A key that is equal for events that differ only in values such as times, process ids and measurements. */
export function repeatKey({ type, from, to, data }: StoredEvent): string {
  return JSON.stringify([type, from, to, normalize(type, data, [])]);
}
