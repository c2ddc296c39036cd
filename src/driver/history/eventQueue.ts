/**
 * Writes one stream: appends events in the order in which they were recorded. An event that may wait is
 * written together with the next event that must not wait. So the first three events of a start share a
 * transaction.
 */

import type { EventStore, EventToAppend } from "../../store/eventStore.ts";

/** Maximum time that an event waits for others: longer than the preparation of a start on most hosts. */
const maxDelayMs = 10;

export class EventQueue {
  readonly #store: EventStore;
  readonly #stream: string;
  /** Number of the last stored event. */
  #version: number;
  /** Recorded events that are not stored yet, oldest first. */
  #pending: EventToAppend[];
  /** Those of them that are of an earlier process's making. */
  #earlier: readonly EventToAppend[];
  #flushing: Promise<void> | undefined;
  /** Whether one of the pending events must not wait. */
  #urgent = false;
  #flushNow: (() => void) | undefined;

  /** @param unstored earlier events, which are stored together with the first appended one */
  constructor(store: EventStore, stream: string, version: number, unstored: readonly EventToAppend[] = []) {
    this.#store = store;
    this.#stream = stream;
    this.#version = version;
    this.#pending = [...unstored];
    this.#earlier = unstored;
  }

  /** Whether the stream has stored events. */
  get hasEvents(): boolean {
    return this.#version > 0;
  }

  /**
   * Appends an event. Resolves once it is committed. If the store refuses it, the event stays in the queue
   * for the next attempt. So the history may be late, but has no gaps.
   * @param mayWait whether the event may wait for the next one, for {@link maxDelayMs} at most
   * @throws DriverError `STORE_FAILED` or `WRONG_EXPECTED_VERSION`
   */
  async append(event: EventToAppend, mayWait = false): Promise<void> {
    this.#pending.push(event);
    if (!mayWait) {
      this.#urgent = true;
      this.#flushNow?.();
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

  /** Replaces the appended events that the store has refused. */
  replaceUnsaved(events: readonly EventToAppend[]): void {
    this.#pending = [...this.#earlier, ...events];
  }

  async #flush(): Promise<void> {
    if (!this.#urgent) await this.#waitForMore();
    this.#urgent = false;
    const batch = [...this.#pending];
    await this.#store.append(this.#stream, this.#version, batch);
    this.#version += batch.length;
    this.#pending.splice(0, batch.length);
    this.#earlier = [];
  }

  /** Resolves when an event arrives that must not wait, or after {@link maxDelayMs}. */
  #waitForMore(): Promise<void> {
    return new Promise((resolve) => {
      const end = setTimeout(resolve, maxDelayMs);
      this.#flushNow = () => {
        clearTimeout(end);
        resolve();
      };
    });
  }
}
