/** Sends the plugin's metrics to a collector. Loaded only if the operator has set the option `otlp_metrics`. */
import { hostname } from "node:os";
import type { MetricData } from "@opentelemetry/sdk-metrics";
import { messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/hclog.ts";
import type { Family } from "../../history/metrics/exposition.ts";
import { timeOf } from "../../history/otlp/collector.ts";
import { metricData } from "../../history/otlp/metricData.ts";
import { MetricsExporter } from "../../history/otlp/signalExporter.ts";

/** The library's default of `OTEL_METRIC_EXPORT_INTERVAL`, in milliseconds. */
const defaultIntervalMs = 60_000;

/** Points of a request. They are encoded in one turn of the event loop, which takes a few milliseconds. */
const pointsPerRequest = 500;

export class PushedMetrics {
  readonly #exporter: MetricsExporter;
  readonly #collect: () => Promise<Family[]>;
  readonly #log: Logger;
  readonly #intervalMs: number;
  #timer: NodeJS.Timeout | undefined;
  #hasFailed = false;
  #isClosed = false;

  /** @throws DriverError `CONFIG_INVALID` for unsupported values of OpenTelemetry's environment variables */
  constructor(collect: () => Promise<Family[]>, log: Logger) {
    this.#exporter = new MetricsExporter(process.env);
    this.#collect = collect;
    this.#log = log;
    const interval = Number(process.env.OTEL_METRIC_EXPORT_INTERVAL);
    this.#intervalMs = interval >= 1 && interval < 2 ** 31 ? interval : defaultIntervalMs;
    this.#wait();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#exporter.close();
  }

  #wait(): void {
    if (!this.#isClosed) this.#timer = setTimeout(() => void this.#send(), this.#intervalMs).unref();
  }

  async #send(): Promise<void> {
    const error = await this.#sendAll().catch((thrown: unknown) => thrown);
    if (error !== undefined && !this.#hasFailed && !this.#isClosed)
      this.#log.warn("metrics could not be sent", { error: messageOf(error) });
    this.#hasFailed = error !== undefined;
    this.#wait();
  }

  /** @returns why the collector did not take a part */
  async #sendAll(): Promise<Error | undefined> {
    const span = { start: timeOf(performance.timeOrigin), end: timeOf(Date.now()) };
    let [request, points]: [MetricData[], number] = [[], 0];
    for (const part of metricData(await this.#collect(), span, pointsPerRequest)) {
      if (points + part.dataPoints.length > pointsPerRequest && points > 0) {
        const error = await this.#exporter.send(hostname(), request);
        if (error !== undefined) return error;
        [request, points] = [[], 0];
      }
      request.push(part);
      points += part.dataPoints.length;
    }
    return this.#exporter.send(hostname(), request);
  }
}
