/**
 * Sends a log's new lines to a page, as server-sent events. inotify(7) reports new output. Nothing is queued
 * for a slow page: lines are read from their files once the page has taken the earlier ones.
 */
import type { ServerResponse } from "node:http";
import { type LogPosition, seenLine } from "../../views/logs/lineTimes.ts";
import type { LogNews } from "../../views/logs/logPage.ts";
import { EventStream } from "../eventStream.ts";
import type { TaskLog } from "./taskLog.ts";

export class LogFollower {
  readonly #log: TaskLog;
  readonly #response: ServerResponse;
  /** Beginning of the next line to send, of which a part may have been sent. */
  #at: LogPosition;
  /** End of the sent bytes. */
  #sent: LogPosition;
  /** Whether the lines to send existed before this follower. Such lines have no known time of arrival. */
  #isFirst = true;

  /** The follower closes the log. */
  constructor(log: TaskLog, response: ServerResponse, from: LogPosition) {
    this.#log = log;
    this.#response = response;
    this.#at = from;
    this.#sent = from;
  }

  /** Follows the log until the connection closes, then closes the log. */
  start(): void {
    this.#response.on("close", () => this.#log.close());
    // Comes first: if the folder cannot be watched, the response is an error.
    this.#log.watch(
      () => this.#send(stream),
      () => this.#response.end(),
    );
    const stream = new EventStream<LogNews>(this.#response, () => this.#send(stream));
    this.#send(stream);
    this.#isFirst = false;
  }

  #send(stream: EventStream<LogNews>): void {
    while (!stream.isBehind) {
      const read = this.#next();
      if (read === undefined) return;
      const { lines, end, isOpen } = read;
      const last = lines.at(-1);
      this.#at = isOpen && last !== undefined ? { index: last.index, offset: last.offset } : end;
      this.#sent = end;
      const now = Date.now();
      const known = this.#isFirst ? this.#log.placed(lines) : lines.map((line) => seenLine(line, now));
      stream.send({ lines: known, end });
    }
  }

  /** The next lines; undefined if there is nothing new. */
  #next() {
    const read = this.#log.linesFrom(this.#at);
    const isSent = read.end.index === this.#sent.index && read.end.offset === this.#sent.offset;
    // A file may end without a newline, if its writer has continued in the next file. Reading then goes on behind
    // the last line.
    const found = isSent && this.#at.offset !== this.#sent.offset ? this.#log.linesFrom(this.#sent) : read;
    return found.lines.length === 0 ? undefined : found;
  }
}
