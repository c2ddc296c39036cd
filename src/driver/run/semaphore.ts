/**
 * A semaphore: limits how much work is done at once. The rest waits in order.
 *
 * A thousand starts would not be faster if all began at once. Their inits would compete for the processors,
 * no start would be answered until almost all were done, and a stop would wait for all of them.
 */
export class Semaphore {
  readonly #maxHoldMs: number;
  readonly #waiting: (() => void)[] = [];
  #free: number;

  /**
   * @param atOnce maximum number of pieces of work at once
   * @param maxHoldMs time after which running work no longer counts: it mostly waits for something, and must
   *   not hold up other work
   */
  constructor(atOnce: number, maxHoldMs: number) {
    this.#free = atOnce;
    this.#maxHoldMs = maxHoldMs;
  }

  /** Does the work as soon as it may begin. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    let holds = true;
    const release = () => {
      if (holds) this.#next();
      holds = false;
    };
    const timer = setTimeout(release, this.#maxHoldMs);
    try {
      return await work();
    } finally {
      clearTimeout(timer);
      release();
    }
  }

  #next(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }
}
