/** Bounds how often a task can cause something, however often it tries. */

const firstPauseMs = 60_000;
const maxPauseMs = 3_600_000;

/**
 * Runs an action when it is first asked for, and later at most once in each pause.
 * What is asked for in a pause runs once, at its end. Pauses begin with a minute
 * and double up to an hour: some thirty runs on a task's first day, then 24 a day.
 */
export class GrowingPauses {
  readonly #action: () => void;
  #pauseMs = firstPauseMs;
  #timer: NodeJS.Timeout | undefined;
  #asked = false;

  constructor(action: () => void) {
    this.#action = action;
  }

  ask(): void {
    if (this.#timer !== undefined) {
      this.#asked = true;
      return;
    }
    this.#asked = false;
    this.#timer = setTimeout(() => this.#pauseOver(), this.#pauseMs).unref();
    this.#pauseMs = Math.min(2 * this.#pauseMs, maxPauseMs);
    this.#action();
  }

  /** Runs nothing any more. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#asked = false;
  }

  #pauseOver(): void {
    this.#timer = undefined;
    if (this.#asked) this.ask();
  }
}
