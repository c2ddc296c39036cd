/**
 * Returns memory to the kernel that this process needed only for its start or for recent work. Nothing polls:
 * only such an event schedules a pass.
 */
import { collectGarbage, releaseMemory } from "./ownMemory.ts";

/** Milliseconds from the event to the pass. So a busy node runs a pass at most this often. */
export const idleMemoryMs = 5_000;

export class IdleMemory {
  #timer: NodeJS.Timeout | undefined;
  #wokenAgain = false;

  /**
   * Schedules a pass. If one is already scheduled, another pass follows it, so that the last pass finds the
   * process idle.
   */
  wake(): void {
    this.#wokenAgain = this.#timer !== undefined;
    this.#timer ??= setTimeout(() => this.#pass(), idleMemoryMs).unref();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #pass(): void {
    this.#timer = undefined;
    // A collection blocks the event loop for some 20 ms, so it runs only in the last pass. V8 itself would
    // wait for minutes.
    if (!this.#wokenAgain) collectGarbage();
    // A failure has no consequence but memory that stays in use.
    releaseMemory().catch(() => undefined);
    if (this.#wokenAgain) this.wake();
  }
}
