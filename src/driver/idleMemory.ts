/**
 * Returns memory to the kernel that only the plugin's start, a task's, or tasks that have
 * ended needed. Nothing polls: only such an event schedules a pass.
 */
import { collectGarbage, releaseMemory } from "../effects/processes/ownMemory.ts";

/** Milliseconds after the event, so that a busy node runs a pass at most this often. */
export const idleMemoryMs = 5_000;

export class IdleMemory {
  #timer: NodeJS.Timeout | undefined;
  #wokenAgain = false;

  /** Schedules a pass. If one is scheduled, another one follows it: the last one finds the plugin idle. */
  wake(): void {
    this.#wokenAgain = this.#timer !== undefined;
    this.#timer ??= setTimeout(() => this.#pass(), idleMemoryMs).unref();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #pass(): void {
    this.#timer = undefined;
    // It takes some 20 ms, in which a start would have to wait. V8 itself waits for minutes.
    if (!this.#wokenAgain) collectGarbage();
    // Memory that stays is no reason to do anything else than before.
    releaseMemory().catch(() => undefined);
    if (this.#wokenAgain) this.wake();
  }
}
