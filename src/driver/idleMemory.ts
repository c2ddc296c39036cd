/**
 * Returns free memory to the kernel after tasks have ended. Without this, malloc keeps
 * it for good: some 10 MiB, most of it from the JIT compilers. Nothing polls: only a
 * task's end schedules a pass.
 */
import { mallocTrim } from "../effects/kernel/libc.ts";

/** Milliseconds after a task's end, so that a busy node runs a pass at most this often. */
export const idleMemoryMs = 10_000;

export class IdleMemory {
  #timer: NodeJS.Timeout | undefined;

  /** Schedules a pass, unless one is scheduled. */
  wake(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      mallocTrim();
    }, idleMemoryMs).unref();
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}
