/**
 * Turns for work of which only so much is to be done at once. The rest waits in order.
 *
 * A thousand starts at once would not be faster for being begun together: their inits would compete for the
 * processors, all would be answered at the end, and whoever wants to stop a task would wait for all of them.
 */
export class Turns {
  readonly #turnMs: number;
  readonly #waiting: (() => void)[] = [];
  #free: number;

  /** @param turnMs how long work may keep its turn: what waits for others itself must not keep others waiting */
  constructor(atOnce: number, turnMs: number) {
    this.#free = atOnce;
    this.#turnMs = turnMs;
  }

  /** Does the work when it is its turn. */
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
