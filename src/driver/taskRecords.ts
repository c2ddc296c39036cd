/** Sends each event of tasks to a collector. Loaded only if the operator has set the option `otlp_events`. */
import type { Logger } from "../base/hclog.ts";
import { eventRecord } from "../history/otlp/eventRecord.ts";
import { EventsExporter } from "../history/otlp/signalExporter.ts";
import type { CommittedStep } from "./task/task.ts";

/** A pause before sending. Events come in groups, which can then be sent together. */
const pauseMs = 2_000;
/** Maximum number of events in a request. Their records are made in one turn of the event loop. */
const eventsPerRequest = 200;
/** Maximum number of events that wait while no collector answers. The oldest are dropped; the event log has them. */
const maxWaiting = 10_000;

export class TaskRecords {
  readonly #exporter = new EventsExporter(process.env);
  readonly #log: Logger;
  #waiting: CommittedStep[] = [];
  #timer: NodeJS.Timeout | undefined;
  #hasFailed = false;

  /** @throws DriverError `CONFIG_INVALID` for unsupported values of OpenTelemetry's environment variables */
  constructor(log: Logger) {
    this.#log = log;
  }

  /** To be called for each committed event. */
  note(step: CommittedStep): void {
    this.#waiting.push(step);
    if (this.#waiting.length > maxWaiting) this.#waiting.splice(0, eventsPerRequest);
    this.#timer ??= setTimeout(() => void this.#send(), pauseMs).unref();
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#waiting = [];
    await this.#exporter.close();
  }

  async #send(): Promise<void> {
    let error: Error | undefined;
    while (this.#waiting.length > 0 && error === undefined) {
      const some = this.#waiting.splice(0, eventsPerRequest);
      const records = some.map(({ task: { id }, event, before, snapshot }) =>
        eventRecord(id, event, before.value, snapshot.context),
      );
      error = await this.#exporter.send(records);
    }
    if (error !== undefined && !this.#hasFailed)
      this.#log.warn("events of tasks could not be sent", { error: error.message });
    this.#hasFailed = error !== undefined;
    this.#timer = undefined;
  }
}
