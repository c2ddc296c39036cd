/**
 * Gives memory back that tasks have come and gone with. What the JIT compilers took
 * for their work in particular stays with malloc for good otherwise, some 10 MiB.
 * Nothing polls: only a task's end makes a pass come.
 */
import { mallocTrim } from "../effects/kernel/libc.ts";

/** Milliseconds from a task's end: a node whose tasks come and go all the time pays for a pass this often at most. */
export const idleMemoryMs = 10_000;

export class IdleMemory {
  #timer: NodeJS.Timeout | undefined;

  /** There may be something to give back, soon. */
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
