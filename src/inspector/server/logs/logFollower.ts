/**
 * Sends a log's new lines to a page as they come, as server-sent events. Woken by inotify(7); nothing is queued
 * for a slow page, since the lines stay in their files until it has read those before them.
 */
import type { ServerResponse } from "node:http";
import { type LogLine, type LogPosition, seenLine } from "../../views/logs/lineTimes.ts";
import { guards } from "../responses.ts";
import type { TaskLog } from "./taskLog.ts";

export interface LogNews {
  /** The first one may be a longer form of the line that was sent last, at the same position. */
  readonly lines: readonly LogLine[];
  /** Where what follows begins. */
  readonly end: LogPosition;
}

/** A page that reads nothing for this long is disconnected. */
const stuckAfterMs = 30_000;

export class LogFollower {
  readonly #log: TaskLog;
  readonly #response: ServerResponse;
  /** Begin of the next line to send, which may have been sent in part. */
  #at: LogPosition;
  /** End of what was sent. */
  #sent: LogPosition;
  /** Lines that were there before are not seen as they come. */
  #isFirst = true;
  #stuckTimer: NodeJS.Timeout | undefined;

  /** Takes the log over. */
  constructor(log: TaskLog, response: ServerResponse, from: LogPosition) {
    this.#log = log;
    this.#response = response;
    this.#at = from;
    this.#sent = from;
  }

  /** Goes on until the connection closes, and closes the log then. */
  start(): void {
    this.#response.on("close", () => {
      clearTimeout(this.#stuckTimer);
      this.#log.close();
    });
    this.#response.on("drain", () => {
      clearTimeout(this.#stuckTimer);
      this.#stuckTimer = undefined;
      this.#send();
    });
    this.#log.watch(
      () => this.#send(),
      () => this.#response.end(),
    );
    this.#response.writeHead(200, { ...guards, "Content-Type": "text/event-stream; charset=utf-8" });
    this.#response.flushHeaders();
    this.#send();
    this.#isFirst = false;
  }

  #send(): void {
    while (!this.#response.closed && !this.#isBehind()) {
      const read = this.#next();
      if (read === undefined) return;
      const { lines, end, isOpen } = read;
      const last = lines.at(-1);
      this.#at = isOpen && last !== undefined ? { index: last.index, offset: last.offset } : end;
      this.#sent = end;
      const now = Date.now();
      const known = this.#isFirst ? this.#log.placed(lines) : lines.map((line) => seenLine(line, now));
      const news: LogNews = { lines: known, end };
      this.#response.write(`data: ${JSON.stringify(news)}\n\n`);
    }
  }

  /** Undefined if nothing has come. */
  #next() {
    const read = this.#log.linesFrom(this.#at);
    const isSent = read.end.index === this.#sent.index && read.end.offset === this.#sent.offset;
    // A file may end without a newline, and its writer go on in the next one.
    const found = isSent && this.#at.offset !== this.#sent.offset ? this.#log.linesFrom(this.#sent) : read;
    return found.lines.length === 0 ? undefined : found;
  }

  #isBehind(): boolean {
    if (!this.#response.writableNeedDrain) return false;
    this.#stuckTimer ??= setTimeout(() => this.#response.destroy(), stuckAfterMs).unref();
    return true;
  }
}
