/**
 * A receiver of OTLP over HTTP. It decodes traces, metrics and logs by the numbers of the fields in opentelemetry/proto
 * (trace/v1/trace.proto, metrics/v1/metrics.proto, logs/v1/logs.proto), without code of the library that sends them.
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

export interface ReceivedMetric {
  readonly name: string;
  readonly unit: string;
  readonly kind: "gauge" | "sum" | "histogram";
  /** Of a sum: whether it only grows, and counts from its beginning on. */
  readonly isCounter: boolean;
  readonly points: readonly {
    readonly from: number;
    readonly to: number;
    readonly attributes: Readonly<Record<string, unknown>>;
    /** Of a histogram: its count. */
    readonly value: number;
  }[];
  readonly resource: Readonly<Record<string, unknown>>;
}

export interface ReceivedRecord {
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** 9 is information, 17 an error. */
  readonly severity: number;
  readonly text: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly traceId: string;
  readonly spanId: string;
  readonly resource: Readonly<Record<string, unknown>>;
}

export interface Collector {
  readonly address: string;
  readonly spans: readonly ReceivedSpan[];
  readonly metrics: readonly ReceivedMetric[];
  readonly records: readonly ReceivedRecord[];
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
  const metrics: ReceivedMetric[] = [];
  const records: ReceivedRecord[] = [];
  const requests: Collector["requests"][number][] = [];
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    requests.push({ path: request.url ?? "", headers: request.headers });
    const isZipped = request.headers["content-encoding"] === "gzip";
    const body = isZipped ? gunzipSync(Buffer.concat(chunks)) : Buffer.concat(chunks);
    const is = (signal: string) => status === 200 && request.url?.endsWith(`/${signal}`);
    if (is("traces")) spans.push(...decode(body));
    if (is("metrics")) metrics.push(...decodeMetrics(body));
    if (is("logs")) records.push(...decodeRecords(body));
    response.writeHead(status, { "Content-Type": "application/x-protobuf" }).end();
  };
  const server = tls === undefined ? createServer(answer) : createSecureServer(tls, answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return {
    address: `${tls === undefined ? "http" : "https"}://127.0.0.1:${port}`,
    spans,
    metrics,
    records,
    requests,
  };
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

/** The parts of each scope of each resource, which all signals have at the same numbers. */
function partsOf(body: Uint8Array): { readonly part: Fields; readonly resource: Record<string, unknown> }[] {
  return messages(fieldsOf(body), 1).flatMap((ofResource) => {
    const [resource = new Map()] = messages(ofResource, 1);
    const parts = messages(ofResource, 2).flatMap((ofScope) => messages(ofScope, 2));
    return parts.map((part) => ({ part, resource: attributes(resource, 1) }));
  });
}

const kinds = { 5: "gauge", 7: "sum", 9: "histogram" } as const;

function decodeMetrics(body: Uint8Array): ReceivedMetric[] {
  return partsOf(body).map(({ part, resource }) => {
    const number = ([5, 7, 9] as const).find((each) => part.has(each)) ?? 5;
    const [data = new Map()] = messages(part, number);
    const isHistogram = number === 9;
    return {
      ...{ name: text(part, 1), unit: text(part, 3), kind: kinds[number], resource },
      isCounter: number === 7 && data.get(2)?.[0] === 2n && data.get(3)?.[0] === 1n,
      points: messages(data, 1).map((point) => ({
        from: ms(point, 2),
        to: ms(point, 3),
        attributes: attributes(point, isHistogram ? 9 : 7),
        value: isHistogram ? Number(point.get(4)?.[0]) : double(point.get(4)?.[0]),
      })),
    };
  });
}

/** A double whose bits were read as those of a whole number. */
function double(bits: unknown): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigInt64(0, BigInt.asIntN(64, bits as bigint));
  return view.getFloat64(0);
}

function decodeRecords(body: Uint8Array): ReceivedRecord[] {
  return partsOf(body).map(({ part, resource }) => {
    const [value = new Map()] = messages(part, 5);
    return {
      ...{ name: text(part, 12), time: ms(part, 1), severity: Number(part.get(2)?.[0] ?? 0), resource },
      ...{ text: text(value, 1), attributes: attributes(part, 6) },
      ...{ traceId: hex(part, 9), spanId: hex(part, 10) },
    };
  });
}
