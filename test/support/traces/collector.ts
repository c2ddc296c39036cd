/**
 * A receiver of OTLP over HTTP. It decodes traces by the numbers of the fields in
 * opentelemetry/proto/trace/v1/trace.proto, without code of the library that sends them.
 */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { onTestFinished } from "vitest";

export interface ReceivedSpan {
  readonly traceId: string;
  readonly id: string;
  readonly parent: string;
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly from: number;
  readonly to: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly events: readonly {
    readonly name: string;
    readonly time: number;
    readonly attributes: Readonly<Record<string, unknown>>;
  }[];
  /** 2 is an error. */
  readonly status: { readonly code: number; readonly message: string };
  readonly resource: Readonly<Record<string, unknown>>;
}

export interface Collector {
  readonly address: string;
  readonly spans: readonly ReceivedSpan[];
  readonly requests: readonly { readonly path: string; readonly headers: IncomingHttpHeaders }[];
}

/**
 * @param status the status of all answers
 * @param tls the collector's key and certificate, in PEM; without them it speaks plain HTTP
 */
export async function startCollector(
  status = 200,
  tls?: { readonly key: string; readonly cert: string },
): Promise<Collector> {
  const spans: ReceivedSpan[] = [];
  const requests: Collector["requests"][number][] = [];
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    requests.push({ path: request.url ?? "", headers: request.headers });
    const body = Buffer.concat(chunks);
    const isZipped = request.headers["content-encoding"] === "gzip";
    if (status === 200) spans.push(...decode(isZipped ? gunzipSync(body) : body));
    response.writeHead(status, { "Content-Type": "application/x-protobuf" }).end();
  };
  const server = tls === undefined ? createServer(answer) : createSecureServer(tls, answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { address: `${tls === undefined ? "http" : "https"}://127.0.0.1:${port}`, spans, requests };
}

type Fields = ReadonlyMap<number, readonly (Uint8Array | bigint | number)[]>;

function fieldsOf(bytes: Uint8Array): Fields {
  const reader = new BinaryReader(bytes);
  const fields = new Map<number, (Uint8Array | bigint | number)[]>();
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    const value =
      type === WireType.LengthDelimited
        ? reader.bytes()
        : type === WireType.Bit64
          ? BigInt(reader.fixed64())
          : type === WireType.Bit32
            ? reader.fixed32()
            : BigInt(reader.int64());
    fields.set(number, [...(fields.get(number) ?? []), value]);
  }
  return fields;
}

const messages = (fields: Fields, number: number) =>
  (fields.get(number) ?? []).map((each) => fieldsOf(bytes(each)));
const bytes = (value: unknown) => (value instanceof Uint8Array ? value : new Uint8Array());
const hex = (fields: Fields, number: number) => Buffer.from(bytes(fields.get(number)?.[0])).toString("hex");
const text = (fields: Fields, number: number) => Buffer.from(bytes(fields.get(number)?.[0])).toString();
const ms = (fields: Fields, number: number) => Number(BigInt(fields.get(number)?.[0] as bigint) / 1_000_000n);

function attributes(fields: Fields, number: number): Record<string, unknown> {
  return Object.fromEntries(
    messages(fields, number).map((pair) => {
      const [value = new Map()] = messages(pair, 2);
      const [[kind, [content]] = [0, [undefined]]] = value as ReadonlyMap<number, readonly unknown[]>;
      return [text(pair, 1), kind === 1 ? Buffer.from(bytes(content)).toString() : Number(content)];
    }),
  );
}

function decode(body: Uint8Array): ReceivedSpan[] {
  return messages(fieldsOf(body), 1).flatMap((ofResource) => {
    const [resource = new Map()] = messages(ofResource, 1);
    const spans = messages(ofResource, 2).flatMap((ofScope) => messages(ofScope, 2));
    return spans.map((span): ReceivedSpan => {
      const [status = new Map()] = messages(span, 15);
      return {
        traceId: hex(span, 1),
        id: hex(span, 2),
        parent: hex(span, 4),
        name: text(span, 5),
        from: ms(span, 7),
        to: ms(span, 8),
        attributes: attributes(span, 9),
        events: messages(span, 11).map((event) => ({
          name: text(event, 2),
          time: ms(event, 1),
          attributes: attributes(event, 3),
        })),
        status: { code: Number(status.get(3)?.[0] ?? 0), message: text(status, 2) },
        resource: attributes(resource, 1),
      };
    });
  });
}
