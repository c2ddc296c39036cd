/** Reads a task's log pipe as the agent's log collector does: before the task starts, and in all its runs. */
import { once } from "node:events";
import { appendFileSync, constants, existsSync, openSync } from "node:fs";
import { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { mkfifo } from "../../../src/effects/kernel/libc.ts";

/** Nomad's collector writes its output to the file ten times a second. */
const flushMs = 100;

/** Milliseconds that the log collector waits for the end of a pipe: `processOutputCloseTolerance`. */
const collectorPatienceMs = 2_000;

export class PipeReader {
  /** The readers of all allocations, by path. */
  static readonly #all = new Map<string, PipeReader>();
  readonly path: string;
  readonly #chunks: Buffer[] = [];
  readonly #ended = Promise.withResolvers<void>();
  #change = Promise.withResolvers<"data" | "end">();
  #socket: Socket | undefined;
  #closed = false;
  #file: string | undefined;
  /** Resolves at the end of file after the last {@link start}. */
  #runEnded = Promise.withResolvers<void>();

  /** The constructor does not create the pipe; `start` does. */
  constructor(path: string) {
    this.path = path;
    PipeReader.#all.set(path, this);
  }

  static at(path: string): PipeReader | undefined {
    return PipeReader.#all.get(path);
  }

  /** To be called before each run. The first call creates the pipe and begins to read it. */
  start(): void {
    this.#runEnded = Promise.withResolvers();
    if (this.#socket !== undefined || this.#closed) return;
    mkfifo(this.path, 0o600);
    this.#socket = this.#open();
  }

  /** Also writes the output to the stream's first file, as late as Nomad's collector does. */
  keepFile(): void {
    const [, folder, name] = /^(.*)\/\.([^/]*)\.fifo$/.exec(this.path) ?? [];
    this.#file = `${folder}/${name}.0`;
    appendFileSync(this.#file, "");
  }

  /**
   * Waits for the end of the run's output as the log collector does when its agent stops it: for two seconds.
   * @returns false if the pipe did not end in time, because nobody has opened it for writing since the start
   *   of the run, or because somebody still has
   */
  async endedInTime(): Promise<boolean> {
    if (this.#socket === undefined || this.#closed) return true;
    const inTime = new AbortController();
    const late = delay(collectorPatienceMs, false, { signal: inTime.signal }).catch(() => true);
    const ended = this.#runEnded.promise.then(() => true);
    return Promise.race([ended, late]).finally(() => inTime.abort());
  }

  /** All output, once all writers have closed the pipe. */
  async bytes(): Promise<Buffer> {
    await this.#ended.promise;
    return Buffer.concat(this.#chunks);
  }

  /** All output as text, once all writers have closed the pipe. */
  async text(): Promise<string> {
    return (await this.bytes()).toString();
  }

  /** Resolves once a text has been written; rejects if the pipe is closed first. */
  contains(text: string): Promise<void> {
    return this.#until((written) => written.includes(text), JSON.stringify(text));
  }

  /** Resolves once `count` lines have been written, including those of earlier runs. */
  hasLines(count: number): Promise<void> {
    return this.#until((written) => written.split("\n").length > count, `line ${count}`);
  }

  async #until(condition: (written: string) => boolean, what: string): Promise<void> {
    for (;;) {
      const written = Buffer.concat(this.#chunks).toString();
      if (condition(written)) return;
      if ((await this.#change.promise) === "data") continue;
      throw new Error(`${what} is not in ${JSON.stringify(written)}`);
    }
  }

  /** Stops reading. Resolves once the pipe is closed. */
  async close(): Promise<void> {
    this.#closed = true;
    PipeReader.#all.delete(this.path);
    if (this.#socket === undefined || this.#socket.closed) return;
    const closed = once(this.#socket, "close");
    this.#socket.destroy();
    await closed;
  }

  #open(): Socket {
    // A blocking open would wait for a writer. poll(2) reports an end of file only after there was a writer.
    const descriptor = openSync(this.path, constants.O_RDONLY | constants.O_NONBLOCK);
    return new Socket({ fd: descriptor, readable: true, writable: false })
      .on("data", (chunk: Buffer) => {
        this.#chunks.push(chunk);
        const file = this.#file;
        if (file !== undefined) setTimeout(() => existsSync(file) && appendFileSync(file, chunk), flushMs);
        this.#tell("data");
      })
      .once("end", () => this.#readOn());
  }

  #tell(change: "data" | "end"): void {
    this.#change.resolve(change);
    this.#change = Promise.withResolvers();
  }

  /** Opens the pipe again before it closes the old descriptor, because the next run must find a reader. */
  #readOn(): void {
    const old = this.#socket;
    this.#socket = this.#open();
    old?.destroy();
    this.#ended.resolve();
    this.#runEnded.resolve();
    this.#tell("end");
  }
}
