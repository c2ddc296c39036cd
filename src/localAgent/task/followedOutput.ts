/** Follows the output of a task in its log files, which the driver's logger writes. */
import { join } from "node:path";
import { Readable } from "node:stream";
import type { LogPlace } from "../../effects/logs/logFiles.ts";
import { LogStream } from "../../effects/logs/logStream.ts";

/**
 * Number of files that are kept open for a slow reader, who does not slow down the task: the logger goes on and
 * removes the oldest ones.
 */
const heldFiles = 64;

export class FollowedOutput {
  readonly #log: LogStream;
  #changed = Promise.withResolvers<void>();
  #isOver = false;
  #isClosed = false;

  /** @throws DriverError `LOG_MISSING` */
  constructor(place: LogPlace) {
    this.#log = new LogStream(place);
    this.#log.watch((isNew) => {
      if (isNew) this.#log.hold(heldFiles);
      this.#wake();
    });
  }

  /** The number of files that were removed before they could be shown. */
  get skipped(): number {
    return this.#log.skipped;
  }

  /** The output of one run, until {@link finish}. */
  run(): Readable {
    this.#isOver = false;
    return Readable.from(this.#read(), { objectMode: false });
  }

  /** To be called when all of the run's output is in the files. */
  finish(): void {
    this.#isOver = true;
    this.#wake();
  }

  /** Ends the output, even if a reader has not read all of it. */
  close(): void {
    this.#isClosed = true;
    this.#wake();
    this.#log.close();
  }

  async *#read(): AsyncGenerator<Buffer> {
    for (;;) {
      const isOver = this.#isOver;
      const { promise } = this.#changed;
      if (this.#isClosed) return;
      const bytes = this.#log.read();
      if (bytes !== undefined) yield bytes;
      else if (isOver) return;
      else await promise;
    }
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

/** The name of a task's log pipe, as on a Nomad client. The driver makes none: it names the place of the files. */
export function logPipePath(logs: string, task: string, stream: "stdout" | "stderr"): string {
  return join(logs, `.${task}.${stream}.fifo`);
}
