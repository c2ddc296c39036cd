/**
 * Metrics of this plugin and of its tasks, for Prometheus and for a collector. Loaded only if an option wants them.
 */

import type { Logger } from "../../base/hclog.ts";
import { type Family, gauge } from "../../history/metrics/exposition.ts";
import { metricsText } from "../../history/metrics/metricsText.ts";
import { ProcessFigures } from "../../history/metrics/processFigures.ts";
import { RunningTasksReader } from "../../history/metrics/runningTasks.ts";
import { TaskCounters } from "../../history/metrics/taskCounters.ts";
import { isAlive } from "../../machines/taskMachine.ts";
import { parseMetricsAddress } from "../options/metricsAddress.ts";
import type { CommittedStep, Task } from "../task/task.ts";
import { MetricsEndpoint } from "./metricsEndpoint.ts";
import type { PushedMetrics } from "./pushedMetrics.ts";

/** What a scrape reads. */
export interface MetricsSources {
  readonly tasks: () => readonly Task[];
  /** Bytes of the event log; undefined while it is not open. */
  readonly logBytes: () => number | undefined;
}

export class PluginMetrics {
  readonly #sources: MetricsSources;
  readonly #log: Logger;
  readonly #counters = new TaskCounters(0);
  readonly #running = new RunningTasksReader();
  readonly #process = new ProcessFigures("plugin");
  #endpoint: MetricsEndpoint | undefined;
  #address = "";
  #pushed: PushedMetrics | undefined;

  constructor(sources: MetricsSources, log: Logger) {
    this.#sources = sources;
    this.#log = log;
  }

  /** Counts an event. To be called for each committed event. */
  note({ task: { id }, event: { type, time }, before, snapshot }: CommittedStep): void {
    this.#counters.note({ id, type, time, before: before.context, after: snapshot.context });
  }

  /**
   * @param address the plugin's option; if it is empty, nothing is served
   * @param isPushed whether a collector gets the metrics
   * @throws DriverError `CONFIG_INVALID` for variables of OpenTelemetry whose values are not supported
   */
  async configure(address: string, isPushed: boolean): Promise<void> {
    await this.#serve(address);
    if (isPushed === (this.#pushed !== undefined)) return;
    await this.#pushed?.close();
    this.#pushed = undefined;
    if (!isPushed) return;
    const { PushedMetrics } = await import("./pushedMetrics.ts");
    this.#pushed = new PushedMetrics(() => this.families(), this.#log);
  }

  async #serve(address: string): Promise<void> {
    if (address === this.#address) return;
    this.#address = address;
    await this.#endpoint?.close();
    this.#endpoint = undefined;
    const parsed = parseMetricsAddress(address);
    if (parsed === undefined) return;
    const collect = async () => metricsText(await this.families());
    this.#endpoint = new MetricsEndpoint(parsed, collect, this.#log);
  }

  async close(): Promise<void> {
    this.#process.close();
    await this.#endpoint?.close();
    await this.#pushed?.close();
  }

  async families(): Promise<Family[]> {
    const { tasks, logBytes } = this.#sources;
    const bytes = logBytes();
    const running = await this.#running.families(() =>
      tasks().flatMap(({ id, snapshot: { value, context } }) => (isAlive(value) ? [{ id, context }] : [])),
    );
    return [
      ...this.#process.families(),
      gauge("exec2_log_bytes", "Size of the event log.", bytes === undefined ? [] : bytes),
      ...this.#counters.families(),
      ...running,
    ];
  }
}
