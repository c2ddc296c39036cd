/**
 * The plugin's log: JSON lines as HashiCorp's hclog writes them, so that the
 * agent shows each line as an entry of the agent's log, with the line's level and fields.
 */
import { createWriteStream, fstatSync } from "node:fs";
import { Socket } from "node:net";
import type { Writable } from "node:stream";
import { inspect } from "node:util";
import { partsOfTaskId } from "./taskId.ts";

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error";

/** Values that a log line shows in a readable form. Never put values of a task's environment here. */
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

export interface Logger {
  trace(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger for a part of the program: `exec2.part`. */
  child(name: string): Logger;
  /** Resolves once all lines so far are written or dropped, at the latest after {@link flushLimitMs}. */
  flush(): Promise<void>;
}

/** Bytes to buffer for a slow reader. Further lines are dropped, and counted. */
const queueLimit = 1 << 20;

/** The agent kills a plugin that ends too slowly, so a reader that hangs must not delay the end. */
const flushLimitMs = 500;

/** A logger that writes to a file descriptor. */
export function createLogger(module: string, fd: number): Logger {
  const sink = new LogSink(openForWriting(fd));
  return loggerOf(module, sink);
}

function loggerOf(module: string, sink: LogSink): Logger {
  const at = (level: LogLevel) => (message: string, fields?: LogFields) =>
    sink.write(formatLine(level, module, message, new Date(), fields));
  return {
    trace: at("trace"),
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: (name) => loggerOf(`${module}.${name}`, sink),
    flush: () => sink.flush(),
  };
}

/**
 * One line in hclog's JSON format. A field cannot override the line's own fields
 * (`@…`). Times have six decimals, the last three of them zero. A line about a
 * task (`task_id`) also names its allocation, as the agent's lines do.
 */
export function formatLine(
  level: LogLevel,
  module: string,
  message: string,
  time: Date,
  fields: LogFields = {},
): string {
  const own = {
    "@level": level,
    "@message": message,
    "@module": module,
    "@timestamp": time.toISOString().replace("Z", "000Z"),
  };
  return `${JSON.stringify({ ...fields, ...taskFields(fields), ...own })}\n`;
}

function taskFields({ task_id }: LogFields): LogFields | undefined {
  const parts = typeof task_id === "string" ? partsOfTaskId(task_id) : undefined;
  return parts && { alloc_id: parts.allocId, task_name: parts.taskName };
}

/** The text of an unexpected failure, with its stack. */
export function stackOf(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : inspect(thrown);
}

/** Writes lines without blocking, waiting or failing. Drops them once the reader has closed its end. */
class LogSink {
  readonly #stream: Writable;
  #dropped = 0;

  constructor(stream: Writable) {
    this.#stream = stream;
    // A reader that closed its end (EPIPE) must not harm the plugin: the stream is destroyed.
    stream.on("error", () => {});
    stream.on("drain", () => this.#reportDropped());
  }

  write(line: string): void {
    if (this.#stream.destroyed) return;
    if (this.#stream.writableLength > queueLimit) this.#dropped += 1;
    else this.#stream.write(line);
  }

  flush(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#stream.destroyed) return resolve();
      const timer = setTimeout(resolve, flushLimitMs);
      this.#stream.write("", () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #reportDropped(): void {
    const count = this.#dropped;
    if (count === 0) return;
    this.#dropped = 0;
    this.write(
      formatLine("warn", "log", "log lines were dropped: their reader was too slow", new Date(), { count }),
    );
  }
}

/**
 * Opens a pipe, such as the agent's, so that writes do not block when its reader hangs. Files never block.
 */
function openForWriting(fd: number): Writable {
  const kind = fstatSync(fd);
  if (kind.isFIFO() || kind.isSocket()) {
    const socket = new Socket({ fd, readable: false, writable: true });
    socket.unref();
    return socket;
  }
  return createWriteStream("", { fd, autoClose: false });
}
