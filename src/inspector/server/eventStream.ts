/**
 * Server-sent events to a page that may be slow. The stream queues nothing for the page: see {@link
 * EventStream.isBehind}.
 */
import type { ServerResponse } from "node:http";
import { guards } from "./responses.ts";

/** A client that reads nothing for this long is disconnected. A browser that is awake reconnects by itself. */
export const stuckAfterMs = 30_000;

export class EventStream<Message> {
  readonly #response: ServerResponse;
  #stuckTimer: NodeJS.Timeout | undefined;

  /** @param caughtUp called when a page that was behind has read everything */
  constructor(response: ServerResponse, caughtUp: () => void) {
    this.#response = response;
    response.on("drain", () => {
      this.#clearTimer();
      caughtUp();
    });
    response.on("close", () => this.#clearTimer());
    response.writeHead(200, { ...guards, "Content-Type": "text/event-stream; charset=utf-8" });
    response.flushHeaders();
  }

  /** Whether to send nothing now, because the page has not read earlier messages, or is gone. */
  get isBehind(): boolean {
    if (this.#response.closed) return true;
    if (!this.#response.writableNeedDrain) return false;
    this.#stuckTimer ??= setTimeout(() => this.#response.destroy(), stuckAfterMs).unref();
    return true;
  }

  send(message: Message): void {
    this.#response.write(`data: ${JSON.stringify(message)}\n\n`);
  }

  #clearTimer(): void {
    clearTimeout(this.#stuckTimer);
    this.#stuckTimer = undefined;
  }
}
