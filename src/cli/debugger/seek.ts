/** Looking for a moment without ever looking for long. Pure. */
import { messageOf } from "../../errors.ts";
import type { History, Moment } from "../../replay/history.ts";
import { type MomentTest, nextMoment, previousMoment } from "../../replay/search.ts";

/** Events that are looked at before a person is asked whether to go on: about a second's worth. */
export const LOOKED_AT_ONCE = 500_000;

export type Direction = 1 | -1;

export type Sought =
  | { readonly kind: "found"; readonly seq: number }
  /** The test has no answer at this moment. */
  | { readonly kind: "problem"; readonly seq: number; readonly problem: string }
  /** Not found so far, with more to look at. */
  | { readonly kind: "unfinished"; readonly seq: number }
  | { readonly kind: "nowhere" };

/** @param from number of the event next to which the search begins */
export function seek(
  history: History,
  from: number,
  direction: Direction,
  fits: MomentTest,
  most = LOOKED_AT_ONCE,
): Sought {
  let looked = 0;
  let sought: Sought = { kind: "nowhere" };
  const isEnd = (moment: Moment): boolean => {
    looked += 1;
    sought = outcomeAt(moment, fits) ?? (looked < most ? sought : { kind: "unfinished", seq: moment.seq });
    return sought.kind !== "nowhere";
  };
  if (direction === 1) nextMoment(history, from, isEnd);
  else previousMoment(history, from, isEnd);
  return sought;
}

function outcomeAt(moment: Moment, fits: MomentTest): Sought | undefined {
  const { seq } = moment;
  try {
    return fits(moment) ? { kind: "found", seq } : undefined;
  } catch (thrown) {
    return { kind: "problem", seq, problem: messageOf(thrown) };
  }
}
