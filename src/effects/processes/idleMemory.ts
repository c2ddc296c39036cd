/**
 * Returns memory to the kernel that only the start of this process or what it did lately
 * needed. Nothing polls: only such an event schedules a pass.
 */
import { collectGarbage, releaseMemory } from "./ownMemory.ts";

/** Milliseconds after the event, so that a busy node runs a pass at most this often. */
export const idleMemoryMs = 5_000;

export class IdleMemory {
  #timer: NodeJS.Timeout | undefined;
  #wokenAgain = false;

  /** Schedules a pass. If one is scheduled, another one follows it: the last one finds the process idle. */
  wake(): void {
    this.#wokenAgain = this.#timer !== undefined;
    this.#timer ??= setTimeout(() => this.#pass(), idleMemoryMs).unref();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #pass(): void {
    this.#timer = undefined;
    // It takes some 20 ms, in which others have to wait. V8 itself waits for minutes.
    if (!this.#wokenAgain) collectGarbage();
    // Memory that stays is no reason to do anything else than before.
    releaseMemory().catch(() => undefined);
    if (this.#wokenAgain) this.wake();
  }
}
