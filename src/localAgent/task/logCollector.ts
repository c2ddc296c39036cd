/** Reads a task's log pipes and writes the output to files, as Nomad's log collector does on a client. */
import { closeSync, constants, openSync, rmSync, writeSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { DriverError } from "../../base/errors.ts";
import { mkfifo } from "../../effects/kernel/libc.ts";

export interface LogFileBounds {
  /** Bytes after which the next file begins. */
  readonly maxBytes: number;
  readonly maxFiles: number;
}

/** Nomad's defaults for a job's `logs` block. */
const defaultBounds: LogFileBounds = { maxBytes: 10 * 1024 * 1024, maxFiles: 10 };

/**
 * The files of one stream of a task's output: `web.stdout.0`, then `.1`, … The folder is opened once, before
 * any task runs, and existing files in it are never opened. So a task that may write to the folder
 * (`writable_logs`) cannot redirect root's writes.
 */
export class LogFile {
  readonly #folder: number;
  readonly #base: string;
  readonly #bounds: LogFileBounds;
  #file: number;
  #index = 0;
  #bytes = 0;

  /**
   * @param base the files' name without their number, such as `web.stdout`
   * @throws DriverError `RUN_FOLDER_UNUSABLE`
   */
  constructor(folder: string, base: string, bounds = defaultBounds) {
    this.#base = base;
    this.#bounds = bounds;
    try {
      this.#folder = openSync(folder, constants.O_DIRECTORY | constants.O_NOFOLLOW);
      this.#file = this.#create();
    } catch (thrown) {
      throw this.#failed(thrown);
    }
  }

  /** @throws DriverError `RUN_FOLDER_UNUSABLE`; part of the bytes may have been written */
  write(bytes: Buffer): void {
    try {
      if (this.#bytes >= this.#bounds.maxBytes) this.#rotate();
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#file, bytes, at);
      this.#bytes += bytes.length;
    } catch (thrown) {
      throw this.#failed(thrown);
    }
  }

  close(): void {
    closeSync(this.#file);
    closeSync(this.#folder);
  }

  #rotate(): void {
    const full = this.#file;
    this.#index += 1;
    this.#bytes = 0;
    this.#file = this.#create();
    closeSync(full);
    rmSync(this.#path(this.#index - this.#bounds.maxFiles), { force: true });
  }

  #create(): number {
    const path = this.#path(this.#index);
    rmSync(path, { force: true });
    return openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o644);
  }

  #path(index: number): string {
    return `/proc/self/fd/${this.#folder}/${this.#base}.${index}`;
  }

  #failed(thrown: unknown): DriverError {
    return DriverError.from(thrown, "RUN_FOLDER_UNUSABLE", `the log ${this.#base} cannot be written`);
  }
}

/** Path of a task's log pipe, as on a Nomad client. */
export function logPipePath(logs: string, task: string, stream: "stdout" | "stderr"): string {
  return join(logs, `.${task}.${stream}.fifo`);
}

/**
 * Creates a new FIFO and opens its reading end, so that the driver can open the writing end.
 * @returns the task's output; ends when all writers have closed the FIFO
 */
export function openLogReader(path: string): Socket {
  // After a restart, the FIFO of the previous run still exists and belongs to the task's user.
  rmSync(path, { force: true });
  mkfifo(path, 0o600);
  // Non-blocking, because there is no writer yet. The kernel reports the end of file only after a first
  // writer has closed the FIFO.
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  try {
    return new Socket({ fd: descriptor, readable: true, writable: false });
  } catch (thrown) {
    closeSync(descriptor);
    throw thrown;
  }
}
