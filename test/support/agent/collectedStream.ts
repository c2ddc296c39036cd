/** Collects the messages of a server's stream, so that a test can wait for a message. */
import { once } from "node:events";
import type { ClientReadableStream } from "@grpc/grpc-js";
import { onTestFinished } from "vitest";

export interface CollectedStream<Message> {
  /** All messages so far. */
  readonly messages: readonly Message[];
  /** Whether the server has ended the stream without an error. */
  readonly ended: boolean;
  /** Resolves with the first message that satisfies the condition, now or later. */
  first(condition: (message: Message) => boolean): Promise<Message>;
}

/** Reads the stream until the test has finished, or the server ends it. */
export function collect<Message>(stream: ClientReadableStream<Message>): CollectedStream<Message> {
  const messages: Message[] = [];
  let ended = false;
  stream.on("end", () => {
    ended = true;
  });
  stream.on("data", (message: Message) => messages.push(message));
  // A cancelled call ends with an error, and so does a call whose server dies.
  stream.on("error", () => {});
  onTestFinished(() => stream.cancel());
  return {
    messages,
    get ended() {
      return ended;
    },
    first: async (condition) => {
      for (;;) {
        const found = messages.find(condition);
        if (found !== undefined) return found;
        await once(stream, "data");
      }
    },
  };
}
