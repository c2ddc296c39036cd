/**
 * What a page is told while it is open: server-sent events. Rows are told by
 * their present state, so nothing is queued for a page that is slow: which rows
 * it has not seen is remembered, and they are sent as they are by then.
 */
import type { ServerResponse } from "node:http";
import type { TaskSummary } from "../views/taskSummary.ts";
import type { Status } from "./logWatch.ts";
import { guards } from "./responses.ts";
import type { TaskIndex } from "./taskIndex.ts";

export type LiveMessage =
  /** Everything that is known is told anew. */
  | { readonly kind: "reset" }
  | { readonly kind: "rows"; readonly rows: readonly TaskSummary[]; readonly gone: readonly string[] }
  | { readonly kind: "status"; readonly status: Status };

/** Rows in one message: some 60 kB. */
const batch = 200;
/** A page that takes nothing for so long is given up; a browser that is awake connects again by itself. */
const stuckAfterMs = 30_000;

export class LiveStream {
  readonly #response: ServerResponse;
  readonly #book: TaskIndex;
  readonly #unseen: Set<string>;
  #status: Status | undefined;
  #waiting: NodeJS.Timeout | undefined;
  #scheduled: NodeJS.Immediate | undefined;

  constructor(response: ServerResponse, book: TaskIndex) {
    this.#response = response;
    this.#book = book;
    this.#unseen = new Set(book.ids());
    response.writeHead(200, { ...guards, "Content-Type": "text/event-stream; charset=utf-8" });
    response.on("drain", () => {
      clearTimeout(this.#waiting);
      this.#waiting = undefined;
      this.#flush();
    });
    const changes = book.changes.subscribe((id) => {
      this.#unseen.add(id);
      this.#scheduled ??= setImmediate(() => this.#flush());
    });
    response.on("close", () => {
      changes.unsubscribe();
      clearTimeout(this.#waiting);
      clearImmediate(this.#scheduled);
    });
    this.#write({ kind: "reset" });
    this.#flush();
  }

  /** Says how the logs stand, where that is news. */
  tell(status: Status): void {
    this.#status = status;
    this.#flush();
  }

  #flush(): void {
    this.#scheduled = undefined;
    while (this.#unseen.size > 0 && !this.#isBehind()) this.#write(this.#nextRows());
    if (this.#status !== undefined && !this.#isBehind()) {
      this.#write({ kind: "status", status: this.#status });
      this.#status = undefined;
    }
  }

  #nextRows(): LiveMessage {
    const ids = [...this.#unseen].slice(0, batch);
    for (const id of ids) this.#unseen.delete(id);
    const rows = ids.flatMap((id) => this.#book.row(id) ?? []);
    return { kind: "rows", rows, gone: ids.filter((id) => this.#book.row(id) === undefined) };
  }

  #isBehind(): boolean {
    if (!this.#response.writableNeedDrain) return false;
    this.#waiting ??= setTimeout(() => this.#response.destroy(), stuckAfterMs).unref();
    return true;
  }

  #write(message: LiveMessage): void {
    this.#response.write(`data: ${JSON.stringify(message)}\n\n`);
  }
}
