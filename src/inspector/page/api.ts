/**
 * Requests to the inspector. Each has the token in a header. A cookie would go to every port of the host, and
 * so to the web pages of tasks.
 */

import { heartbeatMs } from "../views/answers.ts";

const storageKey = "inspector-token";

let token = takeToken();

/**
 * The token in the page's address, which then no longer shows it; else the token that this page, or another
 * tab of it, was opened with. Only pages of this host and port can read the browser's storage.
 */
function takeToken(): string | null {
  const given = new URLSearchParams(location.search).get("token");
  try {
    if (given === null) return localStorage.getItem(storageKey);
    localStorage.setItem(storageKey, given);
  } catch {
    // The browser stores nothing for this page. Until it is loaded again, the page itself keeps the token.
  }
  if (given !== null) history.replaceState(null, "", location.pathname + location.hash);
  return given;
}

// Another tab was opened with a new token, because the inspector was started again.
addEventListener("storage", ({ key, newValue }) => {
  if (key === storageKey) token = newValue;
});

/** A request, as fetch() makes it. */
export function ask(address: string, init: Omit<RequestInit, "headers"> = {}): Promise<Response> {
  return fetch(address, { ...init, headers: token === null ? {} : { Authorization: `Bearer ${token}` } });
}

/** Why a stream has ended: `refused` by the inspector, or `off`, because the connection was lost. */
export type StreamEnd = "refused" | "off";

interface StreamReader<Message> {
  readonly onMessage: (message: Message) => void;
  readonly onOpen?: () => void;
  /** Not called after the stream was closed by its reader. */
  readonly onEnd: (why: StreamEnd) => void;
}

const data = "data: ";
/** Longer than a busy server, or a slow line, delays three heartbeats. */
const maxSilenceMs = 4 * heartbeatMs;

/**
 * Reads a stream of server-sent events. The browser's own EventSource cannot send a header.
 * @returns a function that closes the stream
 */
export function readStream<Message>(address: string, reader: StreamReader<Message>): () => void {
  const closing = new AbortController();
  const { signal } = closing;
  /** Aborted if nothing comes any more. A stopped server keeps its connections open. */
  const silence = new AbortController();
  let heardAt = Date.now();
  const watch = setInterval(() => Date.now() - heardAt > maxSilenceMs && silence.abort(), heartbeatMs);
  const read = async (): Promise<StreamEnd> => {
    const { ok, body } = await ask(address, { signal: AbortSignal.any([signal, silence.signal]) });
    if (!ok || body === null) return "refused";
    reader.onOpen?.();
    let rest = "";
    for await (const text of body.pipeThrough(new TextDecoderStream())) {
      heardAt = Date.now();
      const events = (rest + text).split("\n\n");
      rest = events.pop() ?? "";
      for (const event of events) {
        if (event.startsWith(data)) reader.onMessage(JSON.parse(event.slice(data.length)) as Message);
      }
    }
    return "off";
  };
  void read()
    .catch((): StreamEnd => "off")
    .finally(() => clearInterval(watch))
    .then((why) => signal.aborted || reader.onEnd(why));
  return () => closing.abort();
}
