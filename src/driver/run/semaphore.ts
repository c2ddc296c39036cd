/**
 * A semaphore: limits how much work is done at once. The rest waits in order.
 *
 * A thousand starts would not be faster if all began at once. Their inits would compete for the processors,
 * no start would be answered until almost all were done, and a stop would wait for all of them.
 */
export class Turns {
  readonly #turnMs: number;
  readonly #waiting: (() => void)[] = [];
  #free: number;

  /**
   * @param turnMs maximum time for which work counts against the limit. Longer work mostly waits for
   *   something, and must not hold up other work
   */
  constructor(atOnce: number, turnMs: number) {
    this.#free = atOnce;
    this.#turnMs = turnMs;
  }

  /** Does the work as soon as its turn has come. */
  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    let hasTurn = true;
    const pass = () => {
      if (hasTurn) this.#next();
      hasTurn = false;
    };
    const timer = setTimeout(pass, this.#turnMs);
    try {
      return await work();
    } finally {
      clearTimeout(timer);
      pass();
    }
  }

  #next(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }
}
