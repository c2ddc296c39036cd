/**
 * Returns memory to the kernel that only the plugin's start, a task's, or tasks that have
 * ended needed. Nothing polls: only such an event schedules a pass.
 */
import { releaseMemory } from "../effects/processes/ownMemory.ts";

/** Milliseconds after the event, so that a busy node runs a pass at most this often. */
export const idleMemoryMs = 5_000;

export class IdleMemory {
  #timer: NodeJS.Timeout | undefined;

  /** Schedules a pass, unless one is scheduled. */
  wake(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      // Memory that stays is no reason to do anything else than before.
      releaseMemory().catch(() => undefined);
    }, idleMemoryMs).unref();
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}
