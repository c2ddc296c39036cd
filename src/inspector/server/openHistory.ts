/**
 * The history that a page shows. It is folded once, in small steps, so that a long history does not hold up
 * other requests. It is kept, and new events are added to it.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { History } from "../../history/replay/history.ts";
import { maskEvent } from "../../history/replay/mask.ts";
import { readHistory } from "../../history/replay/storedHistory.ts";
import { Explainer } from "../../history/why/explain.ts";
import type { Sentence } from "../../history/why/facts.ts";
import type { EventReader, StoredEvent } from "../../store/eventStore.ts";

/** Events to read and fold in one turn: a few milliseconds of work. */
const eventsOfTurn = 256;

export class OpenHistory {
  readonly reader: EventReader;
  /** Grows with the log, in place: a copy for each turn would be most of the garbage of a long history. */
  readonly #events: StoredEvent[] = [];
  readonly #history: History;
  readonly #explainer = new Explainer();
  readonly #texts = new Map<string, string>();
  #reading: Promise<void> | undefined;

  constructor(reader: EventReader, stream: string) {
    this.reader = reader;
    this.#history = new History(stream, this.#events);
  }

  get stream(): string {
    return this.#history.stream;
  }

  /** The masked history with all events that are stored by now. */
  async upToDate(): Promise<History> {
    for (let before = -1; before < this.#history.length && this.#isBehind; ) {
      before = this.#history.length;
      this.#reading ??= this.#readOn().finally(() => {
        this.#reading = undefined;
      });
      await this.#reading;
    }
    return this.#history;
  }

  /**
   * The explanation of the events that {@link upToDate} has read.
   * @param ofEarlierRuns as for `explain`
   */
  sentences(ofEarlierRuns: readonly Sentence[] = []): Sentence[] {
    return this.#explainer.sentences(this.#history.finalState.context, [], ofEarlierRuns);
  }

  /** The event with texts that are kept once for all events, instead of once for each. */
  #shared(event: StoredEvent): StoredEvent {
    const { type, from, to } = event;
    return {
      ...event,
      stream: this.stream,
      type: this.#text(type),
      from: this.#text(from),
      to: this.#text(to),
    };
  }

  #text(text: string): string {
    const known = this.#texts.get(text);
    if (known === undefined) this.#texts.set(text, text);
    return known ?? text;
  }

  get #isBehind(): boolean {
    return this.#history.length < this.reader.version(this.stream);
  }

  async #readOn(): Promise<void> {
    const { length } = this.#history;
    const later = readHistory(this.reader, this.stream, length + 1, eventsOfTurn);
    if (later.length === 0) return;
    this.#events.push(...later.map((event) => this.#shared(maskEvent(event))));
    for (const moment of this.#history.moments(length + 1)) this.#explainer.take(moment);
    await nextTurn();
  }
}
