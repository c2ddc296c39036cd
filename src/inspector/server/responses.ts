/** HTTP responses and streams of events, with headers that let a browser do nothing but show them. */
import type { ServerResponse } from "node:http";
import type { Writable } from "node:stream";
import { promisify } from "node:util";
import { constants, createGzip, gzip } from "node:zlib";
import { heartbeat, heartbeatMs } from "../views/answers.ts";

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

/** A shorter body is sent as it is: it fits into the first packet anyway. */
const minCompressed = 1_024;

const compress = promisify(gzip);

/** Compressed bodies of answers that are sent again and again: the page's files. */
const compressed = new WeakMap<Answer, Promise<Buffer>>();

export function send(response: ServerResponse, answer: Answer): void {
  if (!acceptsGzip(response) || Buffer.byteLength(answer.body) < minCompressed) {
    sendAs(response, answer, answer.body);
    return;
  }
  // The thread pool compresses, so other answers need not wait.
  const known = compressed.get(answer) ?? compress(answer.body);
  compressed.set(answer, known);
  void known.then(
    (body) => sendAs(response, answer, body, { "Content-Encoding": "gzip", Vary: "Accept-Encoding" }),
    () => sendAs(response, answer, answer.body),
  );
}

function sendAs(
  response: ServerResponse,
  { status = 200, type, headers = {} }: Answer,
  body: Answer["body"],
  encoding: Readonly<Record<string, string>> = {},
): void {
  const length = String(Buffer.byteLength(body));
  const own = { "Content-Type": type, "Content-Length": length, ...encoding };
  response.writeHead(status, { ...guards, ...own, ...headers });
  // Node omits the body of responses to HEAD.
  response.end(body);
}

function acceptsGzip({ req }: ServerResponse): boolean {
  return /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/.test(String(req.headers["accept-encoding"] ?? ""));
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
 * {@link EventStream.isBehind}. While there is nothing to tell, a heartbeat lets the page know that the server
 * still answers.
 */
export class EventStream<Message> {
  readonly #response: ServerResponse;
  /** Takes the messages: the response, or what compresses them for it. */
  readonly #sink: Writable;
  readonly #beat: NodeJS.Timeout;
  #stuckTimer: NodeJS.Timeout | undefined;

  /** @param caughtUp called when a page that was behind has read everything */
  constructor(response: ServerResponse, caughtUp: () => void) {
    this.#response = response;
    const isCompressed = acceptsGzip(response);
    this.#sink = isCompressed ? compressing(response) : response;
    this.#sink.on("drain", () => {
      this.#clearTimer();
      caughtUp();
    });
    this.#beat = setInterval(() => this.isBehind || this.#sink.write(heartbeat), heartbeatMs).unref();
    response.on("close", () => {
      this.#clearTimer();
      clearInterval(this.#beat);
      if (isCompressed) this.#sink.destroy();
    });
    response.writeHead(200, {
      ...guards,
      "Content-Type": "text/event-stream; charset=utf-8",
      ...(isCompressed && { "Content-Encoding": "gzip", Vary: "Accept-Encoding" }),
    });
    response.flushHeaders();
  }

  /** Whether to send nothing now, because the page has not read earlier messages, or is gone. */
  get isBehind(): boolean {
    if (this.#response.closed) return true;
    if (!this.#sink.writableNeedDrain) return false;
    this.#stuckTimer ??= setTimeout(() => this.#response.destroy(), stuckAfterMs).unref();
    return true;
  }

  send(message: Message): void {
    this.#sink.write(`data: ${JSON.stringify(message)}\n\n`);
  }

  #clearTimer(): void {
    clearTimeout(this.#stuckTimer);
    this.#stuckTimer = undefined;
  }
}

/** Compresses what is written for a response. Each write reaches the page at once, so it is flushed. */
function compressing(response: ServerResponse): Writable {
  const stream = createGzip({ flush: constants.Z_SYNC_FLUSH });
  stream.on("error", () => response.destroy());
  stream.pipe(response);
  return stream;
}
