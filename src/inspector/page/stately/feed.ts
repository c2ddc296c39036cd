/** What is passed on to Stately's inspector: at once, or one event at a time. Pure. */
import type { StatelyMessage } from "../../stately/messages.ts";

export class Feed {
  /** Whether events wait until somebody asks for the next one. */
  readonly isReplay: boolean;
  readonly #post: (message: StatelyMessage) => void;
  readonly #changed: () => void;
  /** Whether what comes waits. */
  #holds: boolean;
  /** What is not sent yet, in order. */
  #queue: StatelyMessage[] = [];
  #sent = 0;
  #waiting = 0;
  #hasEnded = false;

  /** @param changed called after each change of the figures */
  constructor(isReplay: boolean, post: (message: StatelyMessage) => void, changed: () => void) {
    this.isReplay = isReplay;
    this.#holds = isReplay;
    this.#post = post;
    this.#changed = changed;
  }

  /** Number of events that were sent. */
  get sent(): number {
    return this.#sent;
  }

  /** Number of events that wait. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Whether no more messages come. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  take(message: StatelyMessage): void {
    // An actor is shown in its first state at once, but not one that begins later in the history.
    const waits = this.#holds && (this.#queue.length > 0 || message.type !== "@xstate.actor");
    if (!waits) this.#send(message);
    else {
      this.#queue.push(message);
      if (completesEvent(message)) this.#waiting++;
    }
    this.#changed();
  }

  /** Sends the next event and what belongs to it: its actor if that is new, and the state after it. */
  sendNext(): void {
    this.#sendQueued(this.#queue.findIndex(completesEvent) + 1);
  }

  /** Sends all events, also those that come later. */
  sendAll(): void {
    this.#holds = false;
    this.#sendQueued(this.#queue.length);
  }

  end(): void {
    this.#hasEnded = true;
    this.#changed();
  }

  #sendQueued(count: number): void {
    for (const message of this.#queue.splice(0, count)) {
      this.#send(message);
      if (completesEvent(message)) this.#waiting--;
    }
    this.#changed();
  }

  #send(message: StatelyMessage): void {
    this.#post(message);
    if (completesEvent(message)) this.#sent++;
  }
}

/** An event comes with the state after it. */
function completesEvent({ type }: StatelyMessage): boolean {
  return type === "@xstate.snapshot";
}
