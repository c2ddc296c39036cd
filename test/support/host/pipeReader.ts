/** Reads a task's log pipe as the agent's log collector does: from before the task's start, through all runs. */
import { once } from "node:events";
import { constants, openSync } from "node:fs";
import { Socket } from "node:net";
import { mkfifo } from "../../../src/effects/kernel/libc.ts";

export class PipeReader {
  /** Those of the tests' allocations, by their paths. */
  static readonly #all = new Map<string, PipeReader>();
  readonly path: string;
  readonly #chunks: Buffer[] = [];
  readonly #ended = Promise.withResolvers<void>();
  #change = Promise.withResolvers<"data" | "end">();
  #socket: Socket | undefined;
  #closed = false;

  /** Of a pipe that is not made before somebody starts to read it. */
  constructor(path: string) {
    this.path = path;
    PipeReader.#all.set(path, this);
  }

  static at(path: string): PipeReader | undefined {
    return PipeReader.#all.get(path);
  }

  /** Makes the pipe, and reads it, once. */
  start(): void {
    if (this.#socket !== undefined || this.#closed) return;
    mkfifo(this.path, 0o600);
    this.#socket = this.#open();
  }

  /** All that was written, once everybody who could write has closed the pipe. */
  async bytes(): Promise<Buffer> {
    await this.#ended.promise;
    return Buffer.concat(this.#chunks);
  }

  /** The same as text. */
  async text(): Promise<string> {
    return (await this.bytes()).toString();
  }

  /** Resolves once a text has been written; rejects where the pipe is closed before. */
  contains(text: string): Promise<void> {
    return this.#until((written) => written.includes(text), JSON.stringify(text));
  }

  /** Resolves once so many lines have been written, those of earlier runs too. */
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

  /** Stops reading. Resolves once nobody reads the pipe any more. */
  async close(): Promise<void> {
    this.#closed = true;
    PipeReader.#all.delete(this.path);
    if (this.#socket === undefined || this.#socket.closed) return;
    const closed = once(this.#socket, "close");
    this.#socket.destroy();
    await closed;
  }

  #open(): Socket {
    // An open without a writer would wait for one; poll(2) tells of an end of file only after there was one.
    const descriptor = openSync(this.path, constants.O_RDONLY | constants.O_NONBLOCK);
    return new Socket({ fd: descriptor, readable: true, writable: false })
      .on("data", (chunk: Buffer) => {
        this.#chunks.push(chunk);
        this.#tell("data");
      })
      .once("end", () => this.#readOn());
  }

  #tell(change: "data" | "end"): void {
    this.#change.resolve(change);
    this.#change = Promise.withResolvers();
  }

  /** Opened anew before the old end is closed: the next run must find a reader. */
  #readOn(): void {
    const old = this.#socket;
    this.#socket = this.#open();
    old?.destroy();
    this.#ended.resolve();
    this.#tell("end");
  }
}
