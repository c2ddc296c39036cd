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
  if (method.requestStream) return (options?: CallerOptions) => duplex(client, method, options);
  if (method.responseStream) {
    return (request: unknown, options?: CallerOptions) => stream(client, method, request, options);
  }
  return (request: unknown, options?: CallerOptions) => unary(client, method, request, options);
}

function unary(client: Client, method: AnyMethod, request: unknown, options: CallerOptions = {}) {
  return new Promise<unknown>((resolve, reject) => {
    const { path, requestSerialize, responseDeserialize } = method;
    const call = client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      new Metadata(),
      callOptions(options),
      (error, response) => (error ? reject(error) : resolve(response)),
    );
    cancelWith(call, options);
  });
}

function stream(client: Client, method: AnyMethod, request: unknown, options: CallerOptions = {}) {
  const { path, requestSerialize, responseDeserialize } = method;
  return cancelWith(
    client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      new Metadata(),
      callOptions(options),
    ),
    options,
  );
}

function duplex(client: Client, method: AnyMethod, options: CallerOptions = {}) {
  const { path, requestSerialize, responseDeserialize } = method;
  return cancelWith(
    client.makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      new Metadata(),
      callOptions(options),
    ),
    options,
  );
}

function callOptions({ deadlineMs }: CallerOptions): CallOptions {
  return deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
}

function cancelWith<Call extends { cancel(): void }>(call: Call, { signal }: CallerOptions): Call {
  if (signal?.aborted) call.cancel();
  else signal?.addEventListener("abort", () => call.cancel(), { once: true });
  return call;
}
