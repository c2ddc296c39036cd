/** What an explanation is made of: events that the machine took, and sentences that rest on them. Pure. */
import type { EventType, TaskEvent } from "../machines/events.ts";
import type { Moment } from "../replay/history.ts";

/** An event that the machine took, with its number. */
export type Fact<T extends EventType = EventType> = Extract<TaskEvent, { type: T }> & {
  readonly seq: number;
};

/** One sentence, without its full stop, and the numbers of the events that it rests on. */
export interface Sentence {
  readonly text: string;
  readonly events: readonly number[];
}

/** A start that failed may have been asked for again: what counts is the last one. */
export function factsOf(moments: readonly Moment[]): readonly Fact[] {
  const facts = moments.flatMap(({ event, accepted, seq }): Fact[] =>
    event !== undefined && accepted ? [{ ...event, seq }] : [],
  );
  const last = facts.findLastIndex(({ type }) => type === "requested");
  return facts.slice(Math.max(0, last));
}

/** The facts of one type. */
export function ofType<T extends EventType>(facts: readonly Fact[], type: T): Fact<T>[] {
  return facts.filter((fact): fact is Fact<T> => fact.type === type);
}

/** Nothing, where there are no facts for it. */
export function sentence(facts: readonly (Fact | undefined)[], text: string): Sentence[] {
  const events = facts.flatMap((fact) => fact?.seq ?? []);
  return events.length === 0 ? [] : [{ text, events }];
}
