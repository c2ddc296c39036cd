/** Metrics of all tasks of this host, for Prometheus. */
import { DriverError } from "../../base/errors.ts";
import { expositionType, type Family, gauge, type Sample } from "../../history/metrics/exposition.ts";
import { metricsText } from "../../history/metrics/metricsText.ts";
import { ProcessFigures } from "../../history/metrics/processFigures.ts";
import { RunningTasksReader } from "../../history/metrics/runningTasks.ts";
import type { LogWatch } from "./logWatch.ts";
import { type Answer, textAnswer } from "./responses.ts";
import type { TaskIndex } from "./taskIndex.ts";

export class InspectorMetrics {
  readonly #index: TaskIndex;
  readonly #watch: LogWatch;
  readonly #running = new RunningTasksReader();
  /** Made at the first scrape, because it starts a timer. */
  #process: ProcessFigures | undefined;

  constructor(index: TaskIndex, watch: LogWatch) {
    this.#index = index;
    this.#watch = watch;
  }

  /** Never rejects. */
  async answer(): Promise<Answer> {
    try {
      return { type: expositionType, body: await metricsText(await this.#families()) };
    } catch (thrown) {
      return textAnswer(DriverError.from(thrown, "STORE_FAILED", "the figures cannot be read").message, 500);
    }
  }

  close(): void {
    this.#process?.close();
  }

  async #families(): Promise<Family[]> {
    this.#process ??= new ProcessFigures("inspector");
    const { bundle, plugins, problems } = this.#watch.status();
    // The running tasks of a bundle are on another host.
    const running = bundle ? [] : await this.#running.families(() => this.#index.live());
    return [
      ...this.#process.families(),
      gauge("exec2_plugins", "Running plugins with a state folder of this host.", plugins.length),
      gauge("exec2_log_bytes", "Size of the event logs' files.", this.#watch.bytes()),
      gauge("exec2_log_problems", "Problems of the event logs, which the page shows.", problems.length),
      gauge(
        "exec2_history_tasks",
        "Tasks in the event logs, by result. The result is empty for tasks that still run.",
        this.#history(),
      ),
      ...this.#index.counters.families(),
      ...running,
    ];
  }

  #history(): Sample[] {
    const results = Map.groupBy(this.#index.rows(), ({ result }) => result ?? "");
    return Array.from(results, ([result, { length }]) => ({ labels: { result }, value: length }));
  }
}
