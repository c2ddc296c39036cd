/** HTTP responses and streams of events, with headers that let a browser do nothing but show them. */
import type { ServerResponse } from "node:http";

/** Allows only this server's own scripts, styles and data: no inline script, frame or form. */
const contentSecurityPolicy = [
  "default-src 'none'",
  ...["script-src", "style-src", "connect-src"].map((kind) => `${kind} 'self'`),
  // To save a drawing as PNG, the page first loads the drawing as an image.
  "img-src 'self' blob:",
  ...["base-uri", "form-action", "frame-ancestors"].map((kind) => `${kind} 'none'`),
].join("; ");

const guards: Readonly<Record<string, string>> = {
  "Content-Security-Policy": contentSecurityPolicy,
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Cache-Control": "no-store",
};

export interface Answer {
  readonly status?: number;
  readonly type: string;
  readonly body: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

export function send(response: ServerResponse, { status = 200, type, body, headers = {} }: Answer): void {
  const length = String(Buffer.byteLength(body));
  response.writeHead(status, { ...guards, "Content-Type": type, "Content-Length": length, ...headers });
  // Node omits the body of responses to HEAD.
  response.end(body);
}

export function jsonAnswer(value: unknown): Answer {
  return { type: "application/json; charset=utf-8", body: JSON.stringify(value) };
}

export function textAnswer(body: string, status = 200): Answer {
  return { status, type: "text/plain; charset=utf-8", body };
}

/**
 * A client that reads nothing for this long is disconnected. A browser that is awake reconnects by itself.
 */
export const stuckAfterMs = 30_000;

/**
 * Server-sent events to a page that may be slow. The stream queues nothing for the page: see
 * {@link EventStream.isBehind}.
 */
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
