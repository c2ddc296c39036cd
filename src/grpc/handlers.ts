/**
 * Converts plain functions and observables to grpc-js's call handlers. A function
 * that throws or rejects fails only its own call.
 */
import { once } from "node:events";
import type {
  handleBidiStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  Metadata,
  ServerDuplexStream,
  ServerWritableStream,
} from "@grpc/grpc-js";
import type { Observable } from "rxjs";
import { DriverError } from "../base/errors.ts";
import { type Logger, stackOf } from "../base/hclog.ts";
import type { AnswersUnderWay } from "./answersUnderWay.ts";
import { toHeaders, toStatus } from "./status.ts";
import { StreamWriter } from "./streamWriter.ts";

/** How the values of an observable become the messages of a stream. */
interface Conversion<Request, Response, Value> {
  readonly toMessage: (value: Value, request: Request) => Response;
  /** The error that the first value reports, if any. The error goes into the stream's headers. */
  readonly errorOf: (first: Value) => DriverError | undefined;
}

/** Both directions have flow control: the reader sets the pace. */
export interface Duplex<Request, Response> {
  readonly requests: AsyncIterator<Request, undefined>;
  /** Resolves when the caller can take more; at once if it has disconnected. */
  readonly send: (response: Response) => Promise<void>;
}

export class Handlers {
  readonly #log: Logger;
  readonly #answers: AnswersUnderWay;

  /** @param log gets unexpected failures, and warnings about readers that are too slow */
  constructor(log: Logger, answers: AnswersUnderWay) {
    this.#log = log;
    this.#answers = answers;
  }

  /**
   * One answer. `signal` is aborted when the caller cancels or disconnects.
   * @param answer gets the request, and what was sent beside it
   * @param waits whether the answer waits for a task: the plugin's end breaks the call
   */
  readonly unary =
    <Request, Response>(
      answer: (request: Request, signal: AbortSignal, metadata: Metadata) => Response | Promise<Response>,
      { waits = false } = {},
    ): handleUnaryCall<Request, Response> =>
    async (call, callback) => {
      const cancelled = new AbortController();
      let answered = false;
      const over = waits ? undefined : this.#answers.begin();
      // Every call emits this event at its end, even a call that was answered.
      call.on("cancelled", () => {
        over?.();
        if (!answered) cancelled.abort();
      });
      try {
        const response = await answer(call.request, cancelled.signal, call.metadata);
        answered = true;
        callback(null, response);
      } catch (thrown) {
        callback(this.#statusOf(thrown, call.getPath(), cancelled.signal));
      }
    };

  /** Sends the values of an observable as messages until the caller disconnects. */
  readonly stream =
    <Request, Response, Value>(
      observe: (request: Request) => Promise<Observable<Value>>,
      toMessage: Conversion<Request, Response, Value>["toMessage"],
      errorOf: Conversion<Request, Response, Value>["errorOf"] = () => undefined,
    ): handleServerStreamingCall<Request, Response> =>
    async (call) => {
      try {
        this.#send(await observe(call.request), { toMessage, errorOf }, call);
      } catch (thrown) {
        call.emit("error", this.#statusOf(thrown, call.getPath()));
      }
    };

  /**
   * A bidirectional stream that ends when `converse` resolves. `signal` is aborted when the caller
   * cancels or disconnects.
   * @param maxMessageBytes maximum length of the message of a final error
   */
  readonly duplex =
    <Request, Response>(
      converse: (call: Duplex<Request, Response>, signal: AbortSignal) => Promise<void>,
      maxMessageBytes: number,
    ): handleBidiStreamingCall<Request, Response> =>
    async (call) => {
      const cancelled = new AbortController();
      let over = false;
      // Every call emits this event at its end.
      call.on("cancelled", () => over || cancelled.abort());
      const { send, sent } = sender(call, cancelled.signal);
      try {
        await converse({ requests: call[Symbol.asyncIterator](), send }, cancelled.signal);
        over = true;
        call.end();
      } catch (thrown) {
        // Waits until all messages are sent: an error destroys unsent messages, and then the error itself is
        // not sent either.
        await sent();
        over = true;
        call.emit("error", this.#statusOf(thrown, call.getPath(), cancelled.signal, maxMessageBytes));
      }
    };

  #send<Request, Response, Value>(
    values: Observable<Value>,
    { toMessage, errorOf }: Conversion<Request, Response, Value>,
    call: ServerWritableStream<Request, Response>,
  ): void {
    if (call.cancelled) return;
    const method = call.getPath();
    const writer = new StreamWriter(call, () =>
      this.#log.warn("a reader is too slow: the oldest messages for it are dropped", { method }),
    );
    let started = false;
    const subscription = values.subscribe({
      next: (value) => {
        const error = started ? undefined : errorOf(value);
        if (error) call.sendMetadata(toHeaders(error));
        started = true;
        writer.write(toMessage(value, call.request));
      },
      error: (thrown) => writer.end(() => call.emit("error", this.#statusOf(thrown, method))),
      complete: () => writer.end(() => call.end()),
    });
    call.on("cancelled", () => subscription.unsubscribe());
  }

  /** The status of a failed call. Logs an unexpected failure, unless the caller has cancelled the call. */
  #statusOf(thrown: unknown, method: string, cancelled?: AbortSignal, maxMessageBytes?: number) {
    if (cancelled?.aborted) return toStatus(thrown);
    const status = toStatus(thrown, maxMessageBytes);
    if (!(thrown instanceof DriverError)) {
      this.#log.error("a call failed unexpectedly", { method, status: status.code, error: stackOf(thrown) });
    }
    return status;
  }
}

/** Sends one message after the other, each once the caller can take more. */
function sender<Request, Response>(call: ServerDuplexStream<Request, Response>, signal: AbortSignal) {
  let last: Promise<void> | undefined;
  const send = async (response: Response) => {
    if (signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    last = promise;
    if (call.write(response, () => resolve())) return;
    await once(call, "drain", { signal }).catch(() => undefined);
  };
  /** Resolves when all messages are sent, or the caller has disconnected. */
  const sent = async () => {
    if (last === undefined || signal.aborted) return;
    const disconnected = once(signal, "abort").then(() => undefined);
    await Promise.race([last, disconnected]);
  };
  return { send, sent };
}
