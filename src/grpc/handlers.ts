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
import { toStatus } from "./status.ts";
import { StreamWriter } from "./streamWriter.ts";

export interface Handlers {
  /** One answer; `signal` is aborted when the caller cancels or goes away. */
  readonly unary: <Request, Response>(
    answer: (request: Request, signal: AbortSignal) => Response | Promise<Response>,
  ) => handleUnaryCall<Request, Response>;

  /** What an observable tells, each made a message, for as long as the caller listens. */
  readonly stream: <Request, Response, Told>(
    observe: (request: Request) => Promise<Observable<Told>>,
    toMessage: (told: Told, request: Request) => Response,
  ) => handleServerStreamingCall<Request, Response>;

  /** A conversation, until `converse` resolves; `signal` is aborted when the caller cancels or goes away. */
  readonly duplex: <Request, Response>(
    converse: (call: Duplex<Request, Response>, signal: AbortSignal) => Promise<void>,
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
  const statusOf = (thrown: unknown, method: string) => {
    const status = toStatus(thrown);
    if (!(thrown instanceof DriverError)) {
      log.error("a call failed unexpectedly", { method, status: status.code, error: stackOf(thrown) });
    }
    return status;
  };

  const observe = <Request, Response, Told>(
    observable: Observable<Told>,
    toMessage: (told: Told, request: Request) => Response,
    call: ServerWritableStream<Request, Response>,
  ) => {
    if (call.cancelled) return;
    const method = call.getPath();
    const writer = new StreamWriter(call, () =>
      log.warn("a reader is too slow: the oldest messages for it are dropped", { method }),
    );
    const subscription = observable.subscribe({
      next: (told) => writer.write(toMessage(told, call.request)),
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

    stream: (observed, toMessage) => async (call) => {
      try {
        observe(await observed(call.request), toMessage, call);
      } catch (thrown) {
        call.emit("error", statusOf(thrown, call.getPath()));
      }
    },

    duplex: (converse) => async (call) => {
      const cancelled = new AbortController();
      let over = false;
      // Every call ends with this event.
      call.on("cancelled", () => over || cancelled.abort());
      try {
        await converse(
          {
            requests: call[Symbol.asyncIterator](),
            send: (response) => send(call, response, cancelled.signal),
          },
          cancelled.signal,
        );
        over = true;
        call.end();
      } catch (thrown) {
        over = true;
        call.emit("error", cancelled.signal.aborted ? toStatus(thrown) : statusOf(thrown, call.getPath()));
      }
    },
  };
}

async function send<Request, Response>(
  call: ServerDuplexStream<Request, Response>,
  response: Response,
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted || call.write(response)) return;
  await once(call, "drain", { signal }).catch(() => undefined);
}
