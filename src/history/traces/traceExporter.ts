/**
 * Sends traces to a collector with OTLP over HTTP. Uses OpenTelemetry's own library, which reads the standard
 * variables OTEL_EXPORTER_OTLP_*, OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES. The library is loaded only
 * if traces are sent.
 */

import { type HrTime, SpanKind, SpanStatusCode, TraceFlags } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import {
  detectResources,
  envDetector,
  type Resource,
  resourceFromAttributes,
} from "@opentelemetry/resources";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import { DriverError } from "../../base/errors.ts";
import { trustBundledRoots } from "../../base/rootCertificates.ts";
import { uuidV5 } from "../../base/uuid.ts";
import { version } from "../../base/version.ts";
import type { TaskTrace, TraceSpan } from "./taskTrace.ts";

type Environment = Readonly<Record<string, string | undefined>>;

const scope = { name: "nomad-driver-exec2", version };

export class TraceExporter {
  /** The collector's address, without a password. */
  readonly address: string;
  readonly #exporter = new OTLPTraceExporter();
  /** By the name of the node, which is null if it is unknown. */
  readonly #resources = new Map<string | null, Resource>();

  /** @throws DriverError `CONFIG_INVALID` for variables whose values the library would ignore */
  constructor(env: Environment) {
    this.address = addressIn(env);
    if (this.address.startsWith("https:")) trustBundledRoots();
  }

  /**
   * Sends traces in one request. The library repeats the request for a while if the collector is overloaded.
   * @throws DriverError `TRACES_NOT_SENT`
   */
  async send(traces: readonly TaskTrace[]): Promise<void> {
    const spans = traces.flatMap((trace) => trace.spans.map((span) => this.#readable(trace, span)));
    const { promise, resolve } = Promise.withResolvers<Error | undefined>();
    this.#exporter.export(spans, ({ code, error }) =>
      resolve(code === 0 ? undefined : (error ?? new Error("no reason is given"))),
    );
    const error = await promise;
    if (error === undefined) return;
    throw DriverError.from(error, "TRACES_NOT_SENT", `the collector at ${this.address} did not take traces`, {
      hint: "Set OTEL_EXPORTER_OTLP_ENDPOINT to its address for OTLP over HTTP, by default http://localhost:4318",
    });
  }

  async close(): Promise<void> {
    await this.#exporter.shutdown();
  }

  /** The standard variables override what the driver says. */
  #resourceOf(node: string | null): Resource {
    const known = this.#resources.get(node);
    if (known !== undefined) return known;
    const made = resourceFromAttributes({
      "service.name": "nomad-driver-exec2",
      "service.version": version,
      ...(node !== null && { "host.name": node, "service.instance.id": instanceId(node) }),
    }).merge(detectResources({ detectors: [envDetector] }));
    this.#resources.set(node, made);
    return made;
  }

  #readable(
    { id: traceId, node }: TaskTrace,
    { name, id, parent, from, to, attributes, events, error }: TraceSpan,
  ): ReadableSpan {
    const contextOf = (spanId: string) => ({ traceId, spanId, traceFlags: TraceFlags.SAMPLED });
    return {
      name,
      kind: SpanKind.INTERNAL,
      spanContext: () => contextOf(id),
      ...(parent === null ? {} : { parentSpanContext: contextOf(parent) }),
      startTime: timeOf(from),
      endTime: timeOf(to),
      duration: timeOf(to - from),
      ended: true,
      status:
        error === null ? { code: SpanStatusCode.UNSET } : { code: SpanStatusCode.ERROR, message: error },
      attributes,
      links: [],
      events: events.map(({ name: title, time, text }) => ({
        name: title,
        time: timeOf(time),
        attributes: text === "" ? {} : { "exec2.text": text },
      })),
      resource: this.#resourceOf(node),
      instrumentationScope: scope,
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    };
  }
}

/**
 * The same for a node whoever sends its traces: a UUID of version 5 in OpenTelemetry's namespace,
 * https://opentelemetry.io/docs/specs/semconv/registry/attributes/service/.
 */
function instanceId(node: string): string {
  return uuidV5("4d63009a-8d0f-11ee-aad7-4c796ed8e320", node);
}

/** Seconds and nanoseconds. */
function timeOf(ms: number): HrTime {
  return [Math.floor(ms / 1000), Math.round((ms % 1000) * 1e6)];
}

function addressIn(env: Environment): string {
  const { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: own, OTEL_EXPORTER_OTLP_ENDPOINT: shared } = env;
  const protocol =
    env.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL ?? env.OTEL_EXPORTER_OTLP_PROTOCOL ?? "http/protobuf";
  if (protocol !== "http/protobuf") {
    throw new DriverError(
      "CONFIG_INVALID",
      `traces cannot be sent by OTLP's protocol ${JSON.stringify(protocol)}`,
      {
        hint: "Set OTEL_EXPORTER_OTLP_PROTOCOL to http/protobuf, or leave it out",
      },
    );
  }
  const address = URL.parse(own || shared || "http://localhost:4318");
  if (address === null || !/^https?:$/.test(address.protocol)) {
    throw new DriverError(
      "CONFIG_INVALID",
      "the collector's address in OTEL_EXPORTER_OTLP_ENDPOINT is not an HTTP address",
      {
        hint: "Set it to an address such as http://localhost:4318",
      },
    );
  }
  return address.origin + address.pathname.replace(/\/$/, "");
}
