/**
 * The plugin's work besides running tasks: metrics, traces, events for a collector, pruning of the history, rehearsals of starts, and
 * returning memory.
 */

import type { Logger } from "../base/hclog.ts";
import { raiseOwnFileLimit } from "../effects/limits/resourceLimits.ts";
import { IdleMemory } from "../effects/processes/idleMemory.ts";
import { collectYoungGarbage, hideMemory } from "../effects/processes/ownMemory.ts";
import { isPinned, readArchived } from "../store/folder/keptHistories.ts";
import { removeUsage } from "../store/usage/usageFile.ts";
import { HistoryPruner } from "./history/historyPruning.ts";
import type { PluginMetrics } from "./metrics/pluginMetrics.ts";
import { parseHistory } from "./options/historyBounds.ts";
import type { PluginOptions } from "./options/pluginOptions.ts";
import type { DriverServices } from "./services.ts";
import { Rehearsal } from "./start/rehearsal.ts";
import type { CommittedStep } from "./task/task.ts";
import type { TaskTable } from "./task/taskTable.ts";
import type { TaskRecords } from "./taskRecords.ts";
import type { TaskTraces } from "./taskTraces.ts";

export class Housekeeping {
  readonly #tasks: TaskTable;
  readonly #services: () => DriverServices | undefined;
  readonly #log: Logger;
  readonly #idleMemory = new IdleMemory();
  #metrics: PluginMetrics | undefined;
  #traces: TaskTraces | undefined;
  #records: TaskRecords | undefined;
  #pruner: HistoryPruner | undefined;
  #rehearsal: Rehearsal | undefined;
  /** The number of starts that are not answered yet. */
  #startsUnderWay = 0;

  /** @param services returns the current services, once they are open */
  constructor(tasks: TaskTable, services: () => DriverServices | undefined, log: Logger) {
    this.#tasks = tasks;
    this.#services = services;
    this.#log = log;
  }

  /** @throws DriverError `CONFIG_INVALID` for variables of OpenTelemetry whose values are not supported */
  async configure(options: PluginOptions): Promise<void> {
    raiseOwnFileLimit();
    hideMemory();
    this.#idleMemory.wake();
    await this.#serveMetrics(options);
    await this.#sendTraces(options);
    await this.#sendEvents(options);
  }

  /** To be called when the services are open, and when they have new options. */
  opened(services: DriverServices): void {
    this.#pruner ??= this.#createPruner(services);
    this.#rehearsal ??= new Rehearsal(services);
    this.#pruner.wake();
  }

  /** To be called before a start. */
  starting(): void {
    this.#startsUnderWay += 1;
    void this.#rehearsal?.end();
    this.#idleMemory.wake();
  }

  /**
   * To be called when a start has succeeded or failed. Collects its garbage once the answer is sent and no start is
   * under way. Otherwise V8 would collect it within the next or next but one start, while that waits for its init:
   * init would have reported before the collection was over.
   */
  startIsOver(): void {
    this.#startsUnderWay -= 1;
    collectYoungGarbage(() => this.#startsUnderWay === 0);
  }

  /** To be called before a recovery. */
  recovering(): void {
    this.#idleMemory.wake();
    this.#rehearsal?.postpone();
  }

  /** To be called for each committed event. */
  committed(step: CommittedStep): void {
    this.#metrics?.note(step);
    this.#traces?.note(step);
    this.#records?.note(step);
  }

  /** To be called when this process has forgotten a task: its history may be pruned later. */
  forgotten(): void {
    this.#pruner?.wake();
    this.#idleMemory.wake();
  }

  async close(): Promise<void> {
    await this.#metrics?.close();
    await this.#traces?.close();
    await this.#records?.close();
    await this.#pruner?.close();
    await this.#rehearsal?.end();
    this.#idleMemory.close();
  }

  /** Loads the module of metrics only if an option wants it, because the module loads an HTTP server. */
  async #serveMetrics({ metrics: address, otlpMetrics }: PluginOptions): Promise<void> {
    if ((address !== "" || otlpMetrics) && this.#metrics === undefined) {
      const { PluginMetrics } = await import("./metrics/pluginMetrics.ts");
      const logBytes = () => this.#services()?.store.bytes();
      this.#metrics = new PluginMetrics({ tasks: () => this.#tasks.all, logBytes }, this.#log);
    }
    await this.#metrics?.configure(address, otlpMetrics);
  }

  /** Loads the module of traces only if the option is set, because OpenTelemetry's libraries are large. */
  async #sendTraces({ traces }: PluginOptions): Promise<void> {
    if (traces === (this.#traces !== undefined)) return;
    await this.#traces?.close();
    this.#traces = undefined;
    if (!traces) return;
    const { TaskTraces } = await import("./taskTraces.ts");
    this.#traces = new TaskTraces(() => this.#services()?.store, this.#log);
  }

  /** Like the module of traces. */
  async #sendEvents({ otlpEvents }: PluginOptions): Promise<void> {
    if (otlpEvents === (this.#records !== undefined)) return;
    await this.#records?.close();
    this.#records = undefined;
    if (!otlpEvents) return;
    const { TaskRecords } = await import("./taskRecords.ts");
    this.#records = new TaskRecords(this.#log);
  }

  #createPruner({ options, store, log, unclaimed, folder }: DriverServices): HistoryPruner {
    return new HistoryPruner({
      store,
      log,
      now: Date.now,
      bounds: () => parseHistory((this.#services()?.options ?? options).history),
      isHeld: (taskId) => this.#tasks.knows(taskId) || unclaimed.has(taskId) || isPinned(folder.path, taskId),
      archived: () => readArchived(folder.path),
      removeFiles: (taskId) => removeUsage(folder.events, taskId),
    });
  }
}
