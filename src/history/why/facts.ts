/** The parts of an explanation: events that the machine accepted, and sentences based on them. Pure. */
import type { EventType, TaskEvent } from "../../machines/events.ts";
import { visible } from "../../units/visible.ts";

/** An event that the machine accepted, with its number. */
export type Fact<T extends EventType = EventType> = Extract<TaskEvent, { type: T }> & {
  readonly seq: number;
};

/** One sentence, without its full stop, and the events that it is based on. */
export interface Sentence {
  readonly text: string;
  /**
   * Numbers of these events, but only the first and the last if there are more than six. Empty for a sentence
   * that is based on usage samples.
   */
  readonly events: readonly number[];
  /** The number of all these events. */
  readonly count: number;
  /** The id of the run that the words {@link goodRunWords} in the text mean; missing without these words. */
  readonly goodRun?: string;
}

/** The words for another run of the same task, with which a run is compared. */
export const goodRunWords = "last good run";

/** People do not read a longer list of numbers. */
const maxEvents = 6;

/** The facts of one type. */
export function ofType<T extends EventType>(facts: readonly Fact[], type: T): Fact<T>[] {
  return facts.filter((fact): fact is Fact<T> => fact.type === type);
}

/** A list with the sentence, or an empty one if no fact supports it. */
export function sentence(facts: readonly (Fact | undefined)[], text: string): Sentence[] {
  const events = facts.flatMap((fact) => fact?.seq ?? []);
  return events.length === 0 ? [] : [basedOn(events, text)];
}

/** @param events numbers of events */
export function basedOn(events: readonly number[], text: string): Sentence {
  const shown = events.length > maxEvents ? [events[0] as number, events.at(-1) as number] : events;
  return { text: visible(text), events: shown, count: events.length };
}
