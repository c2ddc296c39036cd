/**
 * Sends changes to an open page as server-sent events. A row is always sent in its current state, so nothing
 * is queued for a slow page. The stream remembers only which rows have changed, and sends them once the page
 * is ready.
 */
import type { ServerResponse } from "node:http";
import { eventTypes } from "../../machines/events.ts";
import type { LiveMessage, Status } from "../views/liveMessage.ts";
import { guards } from "./responses.ts";
import type { TaskIndex } from "./taskIndex.ts";

/** Maximum rows of one message: some 60 kB. */
const batch = 200;
/** A page that reads nothing for this long is disconnected. A browser that is awake reconnects by itself. */
const stuckAfterMs = 30_000;

export class LiveStream {
  readonly #response: ServerResponse;
  readonly #index: TaskIndex;
  readonly #changed: Set<string>;
  #status: Status | undefined;
  #stuckTimer: NodeJS.Timeout | undefined;
  #scheduled: NodeJS.Immediate | undefined;

  constructor(response: ServerResponse, index: TaskIndex) {
    this.#response = response;
    this.#index = index;
    this.#changed = new Set(index.ids());
    response.writeHead(200, { ...guards, "Content-Type": "text/event-stream; charset=utf-8" });
    response.on("drain", () => {
      clearTimeout(this.#stuckTimer);
      this.#stuckTimer = undefined;
      this.#flush();
    });
    const changes = index.changes.subscribe((id) => {
      this.#changed.add(id);
      this.#scheduled ??= setImmediate(() => this.#flush());
    });
    response.on("close", () => {
      changes.unsubscribe();
      clearTimeout(this.#stuckTimer);
      clearImmediate(this.#scheduled);
    });
    this.#write({ kind: "reset", eventTypes });
    this.#flush();
  }

  /** Sends a new status of the logs. */
  sendStatus(status: Status): void {
    this.#status = status;
    this.#flush();
  }

  #flush(): void {
    this.#scheduled = undefined;
    while (this.#changed.size > 0 && !this.#isBehind()) this.#write(this.#nextRows());
    if (this.#status !== undefined && !this.#isBehind()) {
      this.#write({ kind: "status", status: this.#status });
      this.#status = undefined;
    }
  }

  #nextRows(): LiveMessage {
    const ids = [...this.#changed].slice(0, batch);
    for (const id of ids) this.#changed.delete(id);
    const rows = ids.flatMap((id) => this.#index.row(id) ?? []);
    return { kind: "rows", rows, gone: ids.filter((id) => this.#index.row(id) === undefined) };
  }

  #isBehind(): boolean {
    if (!this.#response.writableNeedDrain) return false;
    this.#stuckTimer ??= setTimeout(() => this.#response.destroy(), stuckAfterMs).unref();
    return true;
  }

  #write(message: LiveMessage): void {
    this.#response.write(`data: ${JSON.stringify(message)}\n\n`);
  }
}
