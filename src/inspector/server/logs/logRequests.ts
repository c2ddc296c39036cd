/** The API for tasks' output: pages, search, and following. Only for tasks of this host. */

import type { ServerResponse } from "node:http";
import { DriverError } from "../../../base/errors.ts";
import { destinationOf } from "../../../effects/logs/destination.ts";
import {
  LogFiles,
  LogSpan,
  logPlaces,
  type LogPosition as OutputPosition,
} from "../../../effects/logs/logFiles.ts";
import { type KeptEnd, keptEndIn, lastLinesOf } from "../../../history/keptEnd.ts";
import { thisMachine } from "../../../machines/machineVersion.ts";
import type { TaskContext } from "../../../machines/taskContext.ts";
import { isOver } from "../../../machines/taskMachine.ts";
import type { LogNews, LogTail } from "../../views/answers.ts";
import { type LogPosition, seenLine } from "../../views/lineTimes.ts";
import { type Answer, EventStream, jsonAnswer, send, textAnswer } from "../responses.ts";
import type { TaskIndex } from "../taskIndex.ts";
import { keptPage, TaskLog } from "./taskLog.ts";

/** Limits, because each follower holds an inotify watch, and each search reads whole files. */
const maxFollowers = 16;
const maxSearches = 4;
/** Maximum length of a text to search for. */
const maxNeedle = 1_000;

/** A task's request and sandbox are among its first events. This many events are searched for them. */
const maxEventsToBegin = 8;

type OutputStart = NonNullable<TaskContext["sandbox"]>["output"];

const streams = ["stderr", "stdout"] as const;
/** Where the output of a task begins whose events do not say it. */
const begin = { file: 0, bytes: 0 };
/** Maximum number of lines of a tail, and of bytes in which they are looked for. */
const maxTailLines = 12;
const maxTailBytes = 16 * 1024;

export class LogRequests {
  readonly #index: TaskIndex;
  readonly #isForeign: () => boolean;
  #followers = 0;
  #searches = 0;

  /**
   * @param isForeign whether the tasks may be of another host, so that their paths mean nothing on this host
   */
  constructor(index: TaskIndex, isForeign: () => boolean) {
    this.#index = index;
    this.#isForeign = isForeign;
  }

  /** A page of output: the last page, or the page before or from a position (`before`, `from`). */
  page(query: URLSearchParams): Answer {
    const kept = () => {
      const { stream, id } = asked(query);
      const end = this.#keptEnd(id);
      return end && jsonAnswer(keptPage(end[stream], this.#index.row(id)?.endedAt ?? 0));
    };
    return this.#with(query, kept, (log) => {
      const [before, from] = [positionIn(query, "before"), positionIn(query, "from")];
      if (before !== undefined) return jsonAnswer(log.pageBefore(before));
      return jsonAnswer(from === undefined ? log.lastPage() : log.pageFrom(from));
    });
  }

  /** The last lines that a run itself wrote. */
  tail(query: URLSearchParams): Answer {
    const id = query.get("id") ?? "";
    try {
      const { request, sandbox } = this.#begunAs(id);
      if (this.#isForeign()) throw new DriverError("LOG_MISSING", "a bundle has no output of its tasks");
      const places = logPlaces(request);
      const [from, until] = [sandbox?.output, this.#outputOfNextRun(id)];
      const tails = streams.map((stream): LogTail => {
        const files = new LogFiles(places[stream]);
        try {
          const text = files.last(from?.[stream] ?? begin, maxTailBytes, until?.[stream]);
          return { stream, lines: lastLines(text), problem: null };
        } finally {
          files.close();
        }
      });
      return jsonAnswer(tails.find(({ lines }) => lines.length > 0) ?? tails[0]);
    } catch (thrown) {
      // No error for the page: the output of most runs is removed sooner than their events.
      const { summary } = logError(thrown);
      const kept = this.#keptEnd(id);
      if (kept !== undefined)
        return jsonAnswer({
          ...lastLinesOf(kept, maxTailLines),
          problem: null,
          kept: true,
        } satisfies LogTail);
      return jsonAnswer({ stream: "stderr", lines: [], problem: summary } satisfies LogTail);
    }
  }

  /** @param isWanted returns false once nobody waits for the answer */
  async search(query: URLSearchParams, isWanted: () => boolean): Promise<Answer> {
    const text = query.get("text") ?? "";
    if (text === "" || text.length > maxNeedle) return textAnswer("Name a text to search for.", 400);
    if (this.#searches >= maxSearches) return textAnswer("Too many searches are running.", 503);
    this.#searches += 1;
    try {
      const log = this.#open(query);
      try {
        return jsonAnswer(await log.search(text, isWanted));
      } finally {
        log.close();
      }
    } catch (thrown) {
      return failed(thrown);
    } finally {
      this.#searches -= 1;
    }
  }

  /** Sends output from a position (`from`) on until the connection closes. */
  follow(query: URLSearchParams, response: ServerResponse): void {
    const from = positionIn(query, "from");
    const isFull = this.#followers >= maxFollowers;
    if (from === undefined || isFull) {
      const refusal = isFull ? "Too many logs are followed." : "Name the position to follow from.";
      send(response, textAnswer(refusal, isFull ? 503 : 400));
      return;
    }
    try {
      const log = this.#open(query);
      this.#followers += 1;
      response.on("close", () => {
        this.#followers -= 1;
      });
      new LogFollower(log, response, from).start();
    } catch (thrown) {
      send(response, failed(thrown));
    }
  }

  /** What the history has of the output of a failed run. */
  #keptEnd(id: string): KeptEnd | undefined {
    return keptEndIn(this.#index.readerOf(id)?.readStream(id) ?? []);
  }

  /** @param kept answers if there are no log files */
  #with(query: URLSearchParams, kept: () => Answer | undefined, answer: (log: TaskLog) => Answer): Answer {
    try {
      const log = this.#open(query);
      try {
        return answer(log);
      } finally {
        log.close();
      }
    } catch (thrown) {
      return (logError(thrown).code === "LOG_MISSING" ? kept() : undefined) ?? failed(thrown);
    }
  }

  /** @throws DriverError `LOG_MISSING` */
  #open(query: URLSearchParams): TaskLog {
    if (this.#isForeign()) throw new DriverError("LOG_MISSING", "a bundle has no output of its tasks");
    const { stream, id } = asked(query);
    const { request, sandbox } = this.#begunAs(id);
    const begin = destinationOf(request).to === "files" ? sandbox?.output?.[stream] : undefined;
    return new TaskLog(
      logPlaces(request)[stream],
      begin === undefined ? undefined : this.#spanFrom(begin, id, stream),
    );
  }

  /**
   * The run's own output, if the driver writes the log files: the agent's collector may write the last output of
   * a run after the next one has begun.
   */
  #spanFrom(begin: OutputPosition, id: string, stream: "stdout" | "stderr"): () => LogSpan {
    let span = new LogSpan(begin, undefined);
    let isWhole = false;
    return () => {
      // Only then is there a next run, which all tasks are searched for.
      const hasEnded = !isWhole && isOver(this.#index.row(id)?.state ?? "");
      const until = hasEnded ? this.#outputOfNextRun(id)?.[stream] : undefined;
      if (until !== undefined) [span, isWhole] = [new LogSpan(begin, until), true];
      return span;
    };
  }

  /** Where the output of the run after a run begins: runs of a task share their files. */
  #outputOfNextRun(id: string): OutputStart {
    const next = this.#index.nextRun(id);
    return next === undefined ? null : (this.#begunAs(next).sandbox?.output ?? null);
  }

  /** The task's request and sandbox, which its first events tell. */
  #begunAs(id: string): TaskContext {
    const events = this.#index.readerOf(id)?.readStream(id) ?? [];
    let state = thisMachine.initialSnapshot;
    for (const event of events) {
      if (state.context.sandbox !== null || event.seq > maxEventsToBegin) break;
      state = thisMachine.step(state, thisMachine.readEvent(event)).snapshot;
    }
    return state.context;
  }
}

/**
 * Sends a log's new lines to a page, as server-sent events. inotify(7) reports new output. Nothing is queued
 * for a slow page: lines are read from their files once the page has taken the earlier ones.
 */
class LogFollower {
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
    // Watches before the response begins: if the folder cannot be watched, the response is an error.
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
    // A file may end without a newline, if its writer has continued in the next file. Reading then goes on
    // after the last line.
    const found = isSent && this.#at.offset !== this.#sent.offset ? this.#log.linesFrom(this.#sent) : read;
    return found.lines.length === 0 ? undefined : found;
  }
}

function asked(query: URLSearchParams) {
  return {
    stream: query.get("stream") === "stdout" ? "stdout" : "stderr",
    id: query.get("id") ?? "",
  } as const;
}

/** `<file>:<offset>` */
function positionIn(query: URLSearchParams, name: string): LogPosition | undefined {
  const [, index, offset] = /^(\d{1,9}):(\d{1,15})$/.exec(query.get(name) ?? "") ?? [];
  return index === undefined ? undefined : { index: Number(index), offset: Number(offset) };
}

function lastLines(text: string): string[] {
  const lines = text.split("\n").map((line) => line.trimEnd());
  while (lines.at(-1) === "") lines.pop();
  return lines.slice(-maxTailLines);
}

function logError(thrown: unknown): DriverError {
  return DriverError.from(thrown, "LOG_MISSING", "the logs cannot be read");
}

function failed(thrown: unknown): Answer {
  const { summary, hint, code } = logError(thrown);
  return textAnswer(hint === undefined ? summary : `${summary}. ${hint}`, code === "LOG_MISSING" ? 404 : 500);
}
