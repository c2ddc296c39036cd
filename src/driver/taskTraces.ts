/** Sends a trace of each ended task. Loaded only if the operator has set the option `traces`. */
import { messageOf } from "../base/errors.ts";
import type { Logger } from "../base/hclog.ts";
import { TraceExporter } from "../history/otlp/traceExporter.ts";
import { type TaskTrace, taskTrace } from "../history/traces/taskTrace.ts";
import { hasEnded } from "../machines/taskMachine.ts";
import type { EventReader } from "../store/eventStore.ts";
import type { CommittedStep } from "./task/task.ts";

/** A pause before sending. Tasks often end together, and their traces can then be sent together. */
const pauseMs = 2_000;
/**
 * Maximum number of tasks in a request. Their histories are read in one turn of the event loop, which takes
 * some milliseconds.
 */
const tasksPerRequest = 16;
/**
 * Maximum number of tasks that wait while no collector answers. The oldest are dropped; `export --otlp` can
 * send them later.
 */
const maxWaiting = 1_000;

export class TaskTraces {
  readonly #reader: () => EventReader | undefined;
  readonly #log: Logger;
  readonly #exporter: TraceExporter;
  readonly #waiting = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #failed = false;

  /** @throws DriverError `CONFIG_INVALID` for unsupported values of OpenTelemetry's environment variables */
  constructor(reader: () => EventReader | undefined, log: Logger) {
    this.#reader = reader;
    this.#log = log;
    this.#exporter = new TraceExporter(process.env);
  }

  /** To be called for each committed event. */
  note({ task, before, snapshot }: CommittedStep): void {
    if (!hasEnded(snapshot) || hasEnded(before)) return;
    this.#waiting.add(task.id);
    const [oldest] = this.#waiting;
    if (oldest !== undefined && this.#waiting.size > maxWaiting) this.#waiting.delete(oldest);
    this.#timer ??= setTimeout(() => void this.#send(), pauseMs).unref();
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#waiting.clear();
    await this.#exporter.close();
  }

  async #send(): Promise<void> {
    try {
      while (this.#waiting.size > 0) {
        const ids = [...this.#waiting].slice(0, tasksPerRequest);
        for (const id of ids) this.#waiting.delete(id);
        const traces = ids.flatMap((id) => this.#traceOf(id) ?? []);
        if (traces.length > 0) await this.#exporter.send(traces);
        this.#failed = false;
      }
    } catch (thrown) {
      if (!this.#failed) this.#log.warn("traces of tasks could not be sent", { error: messageOf(thrown) });
      this.#failed = true;
    } finally {
      this.#timer = undefined;
    }
  }

  #traceOf(id: string): TaskTrace | undefined {
    return taskTrace(id, [...(this.#reader()?.readStream(id) ?? [])]);
  }
}
