/**
 * Sends changes to an open page as server-sent events. A row is always sent in its current state, so nothing
 * is queued for a slow page. The stream remembers only which rows have changed, and sends them once the page
 * is ready.
 */
import type { ServerResponse } from "node:http";
import { eventTypes } from "../../machines/events.ts";
import type { LiveMessage, Status } from "../views/answers.ts";
import { EventStream } from "./responses.ts";
import type { TaskIndex } from "./taskIndex.ts";

/** Maximum rows of one message: some 60 kB. */
const batch = 200;
/** The first message fills a window, and comes sooner over a slow line. */
const firstBatch = 50;

export class LiveStream {
  readonly #stream: EventStream<LiveMessage>;
  readonly #index: TaskIndex;
  readonly #changed: Set<string>;
  #status: Status | undefined;
  #hasSentRows = false;
  #scheduled: NodeJS.Immediate | undefined;

  /** @param status the present one */
  constructor(response: ServerResponse, index: TaskIndex, status: Status) {
    this.#index = index;
    this.#status = status;
    // The newest rows first: the page shows them while the others are under way.
    this.#changed = new Set(index.ids().reverse());
    this.#stream = new EventStream(response, () => this.#flush());
    const changes = index.changes.subscribe((id) => {
      this.#changed.add(id);
      this.#scheduled ??= setImmediate(() => this.#flush());
    });
    response.on("close", () => {
      changes.unsubscribe();
      clearImmediate(this.#scheduled);
    });
    this.#stream.send({ kind: "reset", eventTypes, count: this.#changed.size });
    this.#flush();
  }

  /** Sends a new status of the logs. */
  sendStatus(status: Status): void {
    this.#status = status;
    this.#flush();
  }

  #flush(): void {
    this.#scheduled = undefined;
    while (!this.#stream.isBehind) {
      // The page needs both to show rows, so the first ones are sent before the status, and the others after it.
      if (this.#status !== undefined && (this.#hasSentRows || this.#changed.size === 0)) {
        this.#stream.send({ kind: "status", status: this.#status });
        this.#status = undefined;
      } else if (this.#changed.size > 0) {
        this.#stream.send(this.#nextRows());
        this.#hasSentRows = true;
      } else return;
    }
  }

  #nextRows(): LiveMessage {
    const ids = [...this.#changed].slice(0, this.#hasSentRows ? batch : firstBatch);
    for (const id of ids) this.#changed.delete(id);
    const rows = ids.flatMap((id) => this.#index.row(id) ?? []);
    const gone = ids.filter((id) => this.#index.row(id) === undefined);
    return { kind: "rows", rows, gone, isAll: this.#changed.size === 0 };
  }
}
