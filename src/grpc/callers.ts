/** The client side of a service as plain functions. They return a promise of one answer, or a stream. */
import {
  type CallOptions,
  type Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  Metadata,
  type MethodDefinition,
} from "@grpc/grpc-js";

interface CallerOptions {
  /** Cancels the call. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds from now after which the call fails. */
  readonly deadlineMs?: number | undefined;
  /** Sent beside the request. */
  readonly metadata?: Metadata | undefined;
}

type Method<Request, Response> = Pick<
  MethodDefinition<Request, Response>,
  "path" | "requestSerialize" | "responseDeserialize"
>;

type Caller<Definition> =
  Definition extends Method<infer Request, infer Response>
    ? Definition extends { readonly requestStream: true }
      ? (options?: CallerOptions) => ClientDuplexStream<Request, Response>
      : Definition extends { readonly responseStream: true }
        ? (request: Request, options?: CallerOptions) => ClientReadableStream<Response>
        : (request: Request, options?: CallerOptions) => Promise<Response>
    : never;

/** A function for each method of a service. Failed calls reject with grpc-js's ServiceError. */
export type Callers<Service> = { readonly [Name in keyof Service]: Caller<Service[Name]> };

type AnyMethod = MethodDefinition<unknown, unknown>;

export function createCallers<Service extends object>(client: Client, service: Service): Callers<Service> {
  const callers = Object.entries(service).map(([name, method]) => [name, createCaller(client, method)]);
  return Object.fromEntries(callers) as Callers<Service>;
}

function createCaller(client: Client, method: AnyMethod) {
  const { path, requestSerialize: encode, responseDeserialize: decode } = method;
  if (method.requestStream) {
    return (options: CallerOptions = {}) => {
      const call = client.makeBidiStreamRequest(path, encode, decode, new Metadata(), callOptions(options));
      return cancelWith(call, options);
    };
  }
  if (method.responseStream) {
    return (request: unknown, options: CallerOptions = {}) =>
      cancelWith(
        client.makeServerStreamRequest(path, encode, decode, request, new Metadata(), callOptions(options)),
        options,
      );
  }
  return (request: unknown, options: CallerOptions = {}) =>
    new Promise<unknown>((resolve, reject) => {
      const answered = (error: Error | null, response: unknown) =>
        error ? reject(error) : resolve(response);
      const settings = callOptions(options);
      cancelWith(
        client.makeUnaryRequest(
          path,
          encode,
          decode,
          request,
          options.metadata ?? new Metadata(),
          settings,
          answered,
        ),
        options,
      );
    });
}

function callOptions({ deadlineMs }: CallerOptions): CallOptions {
  return deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
}

function cancelWith<Call extends { cancel(): void }>(call: Call, { signal }: CallerOptions): Call {
  if (signal?.aborted) call.cancel();
  else signal?.addEventListener("abort", () => call.cancel(), { once: true });
  return call;
}
