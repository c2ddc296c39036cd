/** HTTP responses with headers that restrict a browser to showing them. */
import type { ServerResponse } from "node:http";

/** Allows only this server's own scripts, styles and data: no inline script, frame or form. */
const contentSecurityPolicy = [
  "default-src 'none'",
  ...["script-src", "style-src", "connect-src"].map((kind) => `${kind} 'self'`),
  // The page makes pictures of its own drawings, to save them.
  "img-src 'self' blob:",
  ...["base-uri", "form-action", "frame-ancestors"].map((kind) => `${kind} 'none'`),
].join("; ");

export const guards: Readonly<Record<string, string>> = {
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
