/** Keeps a task that never stops from filling its history. */

const firstPauseMs = 60_000;
const maxPauseMs = 3_600_000;

/**
 * Runs an action at the first request, and then at most once per pause. Requests during a pause cause one run
 * at the pause's end. The first pause is a minute, and each pause is twice as long as the one before, up to
 * an hour. This allows some thirty runs on a task's first day, then 24 a day.
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

  /** Ends the pauses: the action does not run any more. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#asked = false;
  }

  #pauseOver(): void {
    this.#timer = undefined;
    if (this.#asked) this.ask();
  }
}
