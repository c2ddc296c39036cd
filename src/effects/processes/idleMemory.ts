/**
 * Returns to the kernel the memory that this process needed only for its start or for recent work. Nothing
 * polls: only the start and later work schedule a pass.
 */
import { collectGarbage, heapBytes, releaseMemory } from "./ownMemory.ts";

/** Milliseconds from the last call of `wake` to the pass that finds the process at rest. */
export const idleMemoryMs = 5_000;

/** Growth of the heap that is worth a collection, which blocks the event loop for some 60 ms. */
const worthwhileBytes = 4 << 20;

export class IdleMemory {
  #timer: NodeJS.Timeout | undefined;
  #wokenAt = 0;
  /** Size of the heap after the last collection. */
  #collectedTo = Number.NEGATIVE_INFINITY;

  /** Schedules a pass. Further passes follow until one of them finds the process at rest. */
  wake(): void {
    this.#wokenAt = performance.now();
    this.#passIn(idleMemoryMs);
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #passIn(ms: number): void {
    this.#timer ??= setTimeout(() => this.#pass(), ms).unref();
  }

  #pass(): void {
    this.#timer = undefined;
    const restLeftMs = this.#wokenAt + idleMemoryMs - performance.now();
    // V8 itself collects the garbage of a busy process. In a process at rest, V8 would wait for minutes.
    if (restLeftMs <= 0 && heapBytes() - this.#collectedTo >= worthwhileBytes) {
      collectGarbage();
      this.#collectedTo = heapBytes();
    }
    // A failure only leaves memory in use.
    releaseMemory().catch(() => undefined);
    if (restLeftMs > 0) this.#passIn(restLeftMs);
  }
}
