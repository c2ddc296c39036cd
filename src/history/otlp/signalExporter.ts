/** Sends metrics and log records to a collector. */
import { SeverityNumber, TraceFlags } from "@opentelemetry/api";
import { OTLPExporterBase } from "@opentelemetry/otlp-exporter-base";
import {
  convertLegacyHttpOptions,
  createOtlpHttpExportDelegate,
} from "@opentelemetry/otlp-exporter-base/node-http";
import {
  LogsExporterMetricsHelper,
  MetricsExporterMetricsHelper,
  ProtobufLogsSerializer,
  ProtobufMetricsSerializer,
} from "@opentelemetry/otlp-transformer";
import type { ReadableLogRecord } from "@opentelemetry/sdk-logs";
import type { MetricData, ResourceMetrics } from "@opentelemetry/sdk-metrics";
import { collectorAddress, type Environment, exported, Resources, scope, timeOf } from "./collector.ts";
import type { EventRecord } from "./eventRecord.ts";

const httpOptions = (signal: "METRICS" | "LOGS") =>
  convertLegacyHttpOptions({}, signal, `v1/${signal.toLowerCase()}`, {
    "Content-Type": "application/x-protobuf",
  });

export class MetricsExporter {
  /** The collector's address, without a password. */
  readonly address: string;
  readonly #exporter: OTLPExporterBase<ResourceMetrics>;
  readonly #resources = new Resources();

  /** @throws DriverError `CONFIG_INVALID` for variables whose values the library would ignore */
  constructor(env: Environment) {
    this.address = collectorAddress(env, "METRICS");
    this.#exporter = new OTLPExporterBase(
      createOtlpHttpExportDelegate(
        httpOptions("METRICS"),
        ProtobufMetricsSerializer,
        "otlp_http_metric_exporter",
        MetricsExporterMetricsHelper,
        undefined,
      ),
    );
  }

  /** Sends metrics of a node in one request. @returns why the collector did not take them */
  async send(node: string, metrics: MetricData[]): Promise<Error | undefined> {
    const all = { resource: this.#resources.of(node), scopeMetrics: [{ scope, metrics }] };
    return exported((done) => this.#exporter.export(all, done));
  }

  async close(): Promise<void> {
    await this.#exporter.shutdown();
  }
}

export class EventsExporter {
  /** The collector's address, without a password. */
  readonly address: string;
  readonly #exporter: OTLPExporterBase<ReadableLogRecord[]>;
  readonly #resources = new Resources();

  /** @throws DriverError `CONFIG_INVALID` for variables whose values the library would ignore */
  constructor(env: Environment) {
    this.address = collectorAddress(env, "LOGS");
    this.#exporter = new OTLPExporterBase(
      createOtlpHttpExportDelegate(
        httpOptions("LOGS"),
        ProtobufLogsSerializer,
        "otlp_http_log_exporter",
        LogsExporterMetricsHelper,
        undefined,
      ),
    );
  }

  /** Sends records in one request. @returns why the collector did not take them */
  async send(records: readonly EventRecord[]): Promise<Error | undefined> {
    const all = records.map((record) => this.#readable(record));
    return exported((done) => this.#exporter.export(all, done));
  }

  async close(): Promise<void> {
    await this.#exporter.shutdown();
  }

  #readable({ name, time, isWrong, text, attributes, trace, span, node }: EventRecord): ReadableLogRecord {
    return {
      hrTime: timeOf(time),
      hrTimeObserved: timeOf(time),
      spanContext: { traceId: trace, spanId: span, traceFlags: TraceFlags.SAMPLED },
      severityNumber: isWrong ? SeverityNumber.ERROR : SeverityNumber.INFO,
      severityText: isWrong ? "ERROR" : "INFO",
      eventName: name,
      body: text,
      attributes,
      resource: this.#resources.of(node),
      instrumentationScope: scope,
      droppedAttributesCount: 0,
    };
  }
}
