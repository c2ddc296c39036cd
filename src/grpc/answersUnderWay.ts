/** Counts the answers that callers are still to get, so that the plugin's end does not cut them off. */
export class AnswersUnderWay {
  #count = 0;
  #waiting: (() => void)[] = [];

  /** @returns a function to be called once the answer is given or nobody wants it; later calls have no effect */
  begin(): () => void {
    this.#count += 1;
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#count -= 1;
      if (this.#count === 0) for (const resolve of this.#waiting.splice(0)) resolve();
    };
  }

  /** Resolves once no answer is under way. */
  async given(): Promise<void> {
    if (this.#count > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}
