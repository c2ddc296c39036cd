/**
 * The writing side of one stream: events are appended in the order in which they
 * were recorded. One that nobody waits for goes in with the next that somebody
 * does: a start's first three share a transaction.
 */
import type { EventStore, EventToAppend } from "../../store/eventStore.ts";

/** More than the preparation of a start takes on most hosts. */
const patienceMs = 10;

export class Journal {
  readonly #store: EventStore;
  readonly #stream: string;
  /** Number of the last event that is stored. */
  #version: number;
  /** Events that are recorded and not stored yet, oldest first. */
  #pending: EventToAppend[];
  #flushing: Promise<void> | undefined;
  /** Whether somebody waits for one of the pending events. */
  #urgent = false;
  #hurry: (() => void) | undefined;

  /** @param unstored events that are known already and go in with the first that is appended */
  constructor(store: EventStore, stream: string, version: number, unstored: readonly EventToAppend[] = []) {
    this.#store = store;
    this.#stream = stream;
    this.#version = version;
    this.#pending = [...unstored];
  }

  /** Whether anything of the stream is stored. */
  get begun(): boolean {
    return this.#version > 0;
  }

  /**
   * Takes an event. Resolves once it is committed.
   *
   * @param patient the event may wait for the next one, for some milliseconds at most
   *
   * Where the store refuses, the event stays in the journal and goes in with the
   * next attempt: history may be late, it has no gaps.
   * @throws DriverError `STORE_FAILED` or `WRONG_EXPECTED_VERSION`
   */
  async append(event: EventToAppend, patient = false): Promise<void> {
    this.#pending.push(event);
    if (!patient) {
      this.#urgent = true;
      this.#hurry?.();
    }
    await this.settled();
  }

  /** Resolves once everything recorded so far is committed; rejects as {@link append} does. */
  async settled(): Promise<void> {
    const target = this.#version + this.#pending.length;
    while (this.#version < target) {
      this.#flushing ??= this.#flush().finally(() => {
        this.#flushing = undefined;
      });
      await this.#flushing;
    }
  }

  /** Takes back what the store has refused, and has these events in its place. */
  replaceUnsaved(events: readonly EventToAppend[]): void {
    this.#pending = [...events];
  }

  async #flush(): Promise<void> {
    if (!this.#urgent) await this.#company();
    this.#urgent = false;
    const batch = [...this.#pending];
    await this.#store.append(this.#stream, this.#version, batch);
    this.#version += batch.length;
    this.#pending.splice(0, batch.length);
  }

  /** Until an event comes that cannot wait, or it would take too long. */
  #company(): Promise<void> {
    return new Promise((resolve) => {
      const end = setTimeout(resolve, patienceMs);
      this.#hurry = () => {
        clearTimeout(end);
        resolve();
      };
    });
  }
}
