/** Searches a history, for a limited number of events at a time. Pure. */
import { messageOf } from "../../errors.ts";
import type { History, Moment } from "../../replay/history.ts";
import { type MomentTest, nextMoment, previousMoment } from "../../replay/search.ts";

/** A search stops after this many events, in about a second. A person decides whether to go on. */
export const SEARCH_LIMIT = 500_000;

export type Direction = 1 | -1;

export type SearchResult =
  | { readonly kind: "found"; readonly seq: number }
  /** The test threw an error at this moment. */
  | { readonly kind: "problem"; readonly seq: number; readonly problem: string }
  /** Not found so far. There are more events to search. */
  | { readonly kind: "unfinished"; readonly seq: number }
  | { readonly kind: "nowhere" };

/**
 * Searches in a direction for the first event that fits.
 * @param from number of the event beside which the search begins
 */
export function seek(
  history: History,
  from: number,
  direction: Direction,
  fits: MomentTest,
  limit = SEARCH_LIMIT,
): SearchResult {
  let tested = 0;
  let result: SearchResult = { kind: "nowhere" };
  /** @returns whether the search is over */
  const visit = (moment: Moment): boolean => {
    tested += 1;
    result = outcomeAt(moment, fits) ?? (tested < limit ? result : { kind: "unfinished", seq: moment.seq });
    return result.kind !== "nowhere";
  };
  if (direction === 1) nextMoment(history, from, visit);
  else previousMoment(history, from, visit);
  return result;
}

function outcomeAt(moment: Moment, fits: MomentTest): SearchResult | undefined {
  const { seq } = moment;
  try {
    return fits(moment) ? { kind: "found", seq } : undefined;
  } catch (thrown) {
    return { kind: "problem", seq, problem: messageOf(thrown) };
  }
}
