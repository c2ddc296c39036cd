/** Serves the relay to a page, by server-sent events. */
import type { ServerResponse } from "node:http";
import type { StatelyMessage } from "../stately/messages.ts";
import type { Receiver } from "./relay.ts";
import { EventStream } from "./responses.ts";

export function receiverOf(response: ServerResponse): Receiver {
  const gone = new AbortController();
  let goOn: (() => void) | undefined;
  const stream = new EventStream<StatelyMessage>(response, () => goOn?.());
  response.on("close", () => {
    gone.abort();
    goOn?.();
  });
  return {
    gone: gone.signal,
    async send(message) {
      stream.send(message);
      if (!stream.isBehind || gone.signal.aborted) return;
      await new Promise<void>((resolve) => {
        goOn = resolve;
      });
    },
  };
}
