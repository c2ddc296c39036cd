/** The results of a moment's effects. Pure. */
import { reportsOf } from "../machines/effects.ts";
import type { History, Moment } from "./history.ts";

export interface EffectOutcome {
  readonly effect: string;
  /** The event that reports it; undefined if there is none (yet). */
  readonly report: Moment | undefined;
}

/** Pairs each effect with the first later event that reports such an effect. */
export function effectOutcomes(history: History, { seq, effects }: Moment): EffectOutcome[] {
  return effects.map((effect) => ({ effect, report: reportOf(history, seq, effect) }));
}

function reportOf(history: History, seq: number, effect: string): Moment | undefined {
  const types = reportsOf(effect) ?? [];
  const index = history.events.findIndex((event) => event.seq > seq && types.includes(event.type));
  return index === -1 ? undefined : history.at(index + 1);
}
