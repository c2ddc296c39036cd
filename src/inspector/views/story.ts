/** A history in plain words, one line for each step. Pure. */

import type { EventTraits } from "../../machines/events/defineEvent.ts";
import { summarise, traitsOf } from "../../machines/events.ts";
import type { Moment } from "../../replay/history.ts";
import { isError } from "../../replay/search.ts";

export interface Phrase {
  /** What happened, in a few words. */
  readonly title: string;
  /** What happened, with details. */
  readonly text: string;
  /** The same, phrased as the outcome of a request. */
  readonly outcome: string;
}

/** A step of the history, as the page shows it. */
export interface StepLine extends Phrase {
  readonly seq: number;
  readonly type: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** Milliseconds since the step before; null for the first. */
  readonly since: number | null;
  readonly from: string;
  readonly to: string;
  readonly effects: readonly string[];
  readonly bad: boolean;
  /** Null if this version does not know the event's type. */
  readonly category: EventTraits["shown"]["category"] | null;
  readonly group: EventTraits["shown"]["group"];
}

export function stepLine(moment: Moment): StepLine {
  const { seq, stored, before, after, effects, sinceBefore } = moment;
  const traits = traitsOf(stored.type);
  return {
    seq,
    type: stored.type,
    time: stored.time,
    since: sinceBefore ?? null,
    from: before.value,
    to: after.value,
    effects,
    bad: isError(moment),
    category: traits?.shown.category ?? null,
    group: traits?.shown.group ?? "continues",
    ...phraseOf(moment, traits),
  };
}

function phraseOf({ event, stored, problem }: Moment, traits: EventTraits | undefined): Phrase {
  const { title = stored.type, outcome = () => title.toLowerCase() } = traits ?? {};
  const text = event === undefined ? `this version cannot read it: ${problem}` : summarise(event);
  return { title, text, outcome: outcome(text) };
}
