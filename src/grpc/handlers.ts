/**
 * Handlers of calls: they turn plain functions and observables into what grpc-js
 * wants. A function that throws or rejects fails its call and nothing else.
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
  /** One answer; `signal` is aborted when the caller cancels or goes away. */
  readonly unary: <Request, Response>(
    answer: (request: Request, signal: AbortSignal) => Response | Promise<Response>,
  ) => handleUnaryCall<Request, Response>;

  /**
   * What an observable tells, each made a message, for as long as the caller listens.
   * @param errorOf the error that the first message tells of, which goes in the headers before it
   */
  readonly stream: <Request, Response, Told>(
    observe: (request: Request) => Promise<Observable<Told>>,
    toMessage: (told: Told, request: Request) => Response,
    errorOf?: (first: Told) => DriverError | undefined,
  ) => handleServerStreamingCall<Request, Response>;

  /**
   * A conversation, until `converse` resolves; `signal` is aborted when the caller cancels or goes away.
   * @param messageBytes of an error that it ends with
   */
  readonly duplex: <Request, Response>(
    converse: (call: Duplex<Request, Response>, signal: AbortSignal) => Promise<void>,
    messageBytes: number,
  ) => handleBidiStreamingCall<Request, Response>;
}

/** Both directions go as fast as the other side reads. */
export interface Duplex<Request, Response> {
  readonly requests: AsyncIterator<Request, undefined>;
  /** Resolves when the caller takes more; at once where it has gone. */
  readonly send: (response: Response) => Promise<void>;
}

/** @param log is told of failures that no one foresaw, and of readers that are too slow */
export function createHandlers(log: Logger): Handlers {
  const statusOf = (thrown: unknown, method: string, messageBytes?: number) => {
    const status = toStatus(thrown, messageBytes);
    if (!(thrown instanceof DriverError)) {
      log.error("a call failed unexpectedly", { method, status: status.code, error: stackOf(thrown) });
    }
    return status;
  };

  const observe = <Request, Response, Told>(
    observable: Observable<Told>,
    toMessage: (told: Told, request: Request) => Response,
    errorOf: (first: Told) => DriverError | undefined,
    call: ServerWritableStream<Request, Response>,
  ) => {
    if (call.cancelled) return;
    const method = call.getPath();
    const writer = new StreamWriter(call, () =>
      log.warn("a reader is too slow: the oldest messages for it are dropped", { method }),
    );
    let begun = false;
    const subscription = observable.subscribe({
      next: (told) => {
        const error = begun ? undefined : errorOf(told);
        if (error) call.sendMetadata(toHeaders(error));
        begun = true;
        writer.write(toMessage(told, call.request));
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
      // Every call ends with this event, those that were answered too.
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

    duplex: (converse, messageBytes) => async (call) => {
      const cancelled = new AbortController();
      let over = false;
      // Every call ends with this event.
      call.on("cancelled", () => over || cancelled.abort());
      const { send, sent } = sender(call, cancelled.signal);
      try {
        await converse({ requests: call[Symbol.asyncIterator](), send }, cancelled.signal);
        over = true;
        call.end();
      } catch (thrown) {
        // An error destroys what is not sent yet, and is itself never sent then.
        await sent();
        over = true;
        const { aborted } = cancelled.signal;
        call.emit("error", aborted ? toStatus(thrown) : statusOf(thrown, call.getPath(), messageBytes));
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
  /** Resolves when all of it is, or the caller has gone. */
  const sent = async () => {
    if (last === undefined || signal.aborted) return;
    const gone = once(signal, "abort").then(() => undefined);
    await Promise.race([last, gone]);
  };
  return { send, sent };
}
