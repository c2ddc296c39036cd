/**
 * Converts plain functions and observables to grpc-js's call handlers. A function
 * that throws or rejects fails its own call only.
 */
import { once } from "node:events";
import type {
  handleBidiStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  ServerDuplexStream,
  ServerWritableStream,
} from "@grpc/grpc-js";
import type { Observable } from "rxjs";
import { DriverError } from "../errors.ts";
import { type Logger, stackOf } from "../log/hclog.ts";
import { toHeaders, toStatus } from "./status.ts";
import { StreamWriter } from "./streamWriter.ts";

export interface Handlers {
  /** One answer. `signal` is aborted when the caller cancels or disconnects. */
  readonly unary: <Request, Response>(
    answer: (request: Request, signal: AbortSignal) => Response | Promise<Response>,
  ) => handleUnaryCall<Request, Response>;

  /**
   * Sends the values of an observable as messages until the caller disconnects.
   * @param errorOf the error that the first value reports, if any; it goes into the headers
   */
  readonly stream: <Request, Response, Value>(
    observe: (request: Request) => Promise<Observable<Value>>,
    toMessage: (value: Value, request: Request) => Response,
    errorOf?: (first: Value) => DriverError | undefined,
  ) => handleServerStreamingCall<Request, Response>;

  /**
   * A bidirectional stream that ends when `converse` resolves. `signal` is aborted when the caller
   * cancels or disconnects.
   * @param maxMessageBytes bound of the message of a final error
   */
  readonly duplex: <Request, Response>(
    converse: (call: Duplex<Request, Response>, signal: AbortSignal) => Promise<void>,
    maxMessageBytes: number,
  ) => handleBidiStreamingCall<Request, Response>;
}

/** Both directions have flow control: the reader sets the pace. */
export interface Duplex<Request, Response> {
  readonly requests: AsyncIterator<Request, undefined>;
  /** Resolves when the caller can take more; at once if it has disconnected. */
  readonly send: (response: Response) => Promise<void>;
}

/** @param log gets unexpected failures, and readers that are too slow */
export function createHandlers(log: Logger): Handlers {
  const statusOf = (thrown: unknown, method: string, maxMessageBytes?: number) => {
    const status = toStatus(thrown, maxMessageBytes);
    if (!(thrown instanceof DriverError)) {
      log.error("a call failed unexpectedly", { method, status: status.code, error: stackOf(thrown) });
    }
    return status;
  };

  const observe = <Request, Response, Value>(
    observable: Observable<Value>,
    toMessage: (value: Value, request: Request) => Response,
    errorOf: (first: Value) => DriverError | undefined,
    call: ServerWritableStream<Request, Response>,
  ) => {
    if (call.cancelled) return;
    const method = call.getPath();
    const writer = new StreamWriter(call, () =>
      log.warn("a reader is too slow: the oldest messages for it are dropped", { method }),
    );
    let started = false;
    const subscription = observable.subscribe({
      next: (value) => {
        const error = started ? undefined : errorOf(value);
        if (error) call.sendMetadata(toHeaders(error));
        started = true;
        writer.write(toMessage(value, call.request));
      },
      error: (thrown) => writer.end(() => call.emit("error", statusOf(thrown, method))),
      complete: () => writer.end(() => call.end()),
    });
    call.on("cancelled", () => subscription.unsubscribe());
  };

  return {
    unary: (answer) => async (call, callback) => {
      const cancelled = new AbortController();
      let answered = false;
      // Every call emits this event at its end, even a call that was answered.
      call.on("cancelled", () => answered || cancelled.abort());
      try {
        const response = await answer(call.request, cancelled.signal);
        answered = true;
        callback(null, response);
      } catch (thrown) {
        callback(cancelled.signal.aborted ? toStatus(thrown) : statusOf(thrown, call.getPath()));
      }
    },

    stream:
      (observed, toMessage, errorOf = () => undefined) =>
      async (call) => {
        try {
          observe(await observed(call.request), toMessage, errorOf, call);
        } catch (thrown) {
          call.emit("error", statusOf(thrown, call.getPath()));
        }
      },

    duplex: (converse, maxMessageBytes) => async (call) => {
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
        // Messages go first: an error destroys unsent messages, and then is not sent itself.
        await sent();
        over = true;
        const { aborted } = cancelled.signal;
        call.emit("error", aborted ? toStatus(thrown) : statusOf(thrown, call.getPath(), maxMessageBytes));
      }
    },
  };
}

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
