/** Sends traces to a collector, as {@link Resources} and {@link collectorAddress} say. */

import { SpanKind, SpanStatusCode, TraceFlags } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import { DriverError } from "../../base/errors.ts";
import type { TaskTrace, TraceSpan } from "../traces/taskTrace.ts";
import { collectorAddress, type Environment, exported, Resources, scope, timeOf } from "./collector.ts";

export class TraceExporter {
  /** The collector's address, without a password. */
  readonly address: string;
  readonly #exporter = new OTLPTraceExporter();
  readonly #resources = new Resources();

  /** @throws DriverError `CONFIG_INVALID` for variables whose values the library would ignore */
  constructor(env: Environment) {
    this.address = collectorAddress(env, "TRACES");
  }

  /**
   * Sends traces in one request. The library repeats the request for a while if the collector is overloaded.
   * @throws DriverError `TRACES_NOT_SENT`
   */
  async send(traces: readonly TaskTrace[]): Promise<void> {
    const spans = traces.flatMap((trace) => trace.spans.map((span) => this.#readable(trace, span)));
    const error = await exported((done) => this.#exporter.export(spans, done));
    if (error === undefined) return;
    throw DriverError.from(error, "TRACES_NOT_SENT", `the collector at ${this.address} did not take traces`, {
      hint: "Set OTEL_EXPORTER_OTLP_ENDPOINT to its address for OTLP over HTTP, by default http://localhost:4318",
    });
  }

  async close(): Promise<void> {
    await this.#exporter.shutdown();
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
      resource: this.#resources.of(node),
      instrumentationScope: scope,
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    };
  }
}
