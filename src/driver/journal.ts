/**
 * The writing side of one stream: events are appended in the order in which
 * they were recorded, those of one turn of the event loop in one transaction.
 */
import { setImmediate } from "node:timers/promises";
import type { EventStore, EventToAppend } from "../store/eventStore.ts";

export class Journal {
  readonly #store: EventStore;
  readonly #stream: string;
  /** Number of the last event that is stored. */
  #version: number;
  /** Events that are recorded and not stored yet, oldest first. */
  #pending: EventToAppend[];
  #flushing: Promise<void> | undefined;

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
   * Where the store refuses, the event stays in the journal and goes in with the
   * next attempt: history may be late, it has no gaps.
   * @throws DriverError `STORE_FAILED` or `WRONG_EXPECTED_VERSION`
   */
  async append(event: EventToAppend): Promise<void> {
    this.#pending.push(event);
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
    // Lets what is recorded in this turn of the event loop join the transaction: a start's first three events.
    await setImmediate();
    const batch = [...this.#pending];
    await this.#store.append(this.#stream, this.#version, batch);
    this.#version += batch.length;
    this.#pending.splice(0, batch.length);
  }
}
