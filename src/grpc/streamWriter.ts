/** Writes to a stream as fast as its reader takes messages, with a bounded queue for a slow reader. */

export interface WritableMessages<Message> {
  /** Returns false if the writer must wait for `drain`. */
  write(message: Message): boolean;
  on(event: "drain", listener: () => void): unknown;
}

/** Maximum number of queued messages. Beyond it, the oldest ones are dropped. */
const queueLimit = 1000;

export class StreamWriter<Message> {
  readonly #stream: WritableMessages<Message>;
  readonly #onFirstDrop: () => void;
  readonly #queue: Message[] = [];
  #blocked = false;
  #dropping = false;
  #whenEmpty: (() => void) | undefined;

  /** @param onFirstDrop called once each time that the reader becomes too slow */
  constructor(stream: WritableMessages<Message>, onFirstDrop: () => void) {
    this.#stream = stream;
    this.#onFirstDrop = onFirstDrop;
    stream.on("drain", () => this.#drain());
  }

  write(message: Message): void {
    if (!this.#blocked) {
      this.#blocked = !this.#stream.write(message);
      return;
    }
    this.#queue.push(message);
    if (this.#queue.length <= queueLimit) return;
    this.#queue.shift();
    if (!this.#dropping) this.#onFirstDrop();
    this.#dropping = true;
  }

  /** Ends the stream: calls `finish` once all messages are written. */
  end(finish: () => void): void {
    if (this.#queue.length === 0) finish();
    else this.#whenEmpty = finish;
  }

  #drain(): void {
    this.#blocked = false;
    while (!this.#blocked) {
      const message = this.#queue.shift();
      if (message === undefined) break;
      this.#blocked = !this.#stream.write(message);
    }
    if (this.#queue.length > 0) return;
    this.#dropping = false;
    this.#whenEmpty?.();
  }
}
