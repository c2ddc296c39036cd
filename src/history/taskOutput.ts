/**
 * Reads the files that hold one stream of a task's output: `web.stdout.0`, then `.1`, … Tasks may be able to
 * write to the files' folder. So the folder's path is resolved once, without symlinks, and only regular files
 * in the folder are opened.
 */
import {
  closeSync,
  constants,
  type FSWatcher,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  watch,
} from "node:fs";
import { basename, dirname, relative } from "node:path";
import { DriverError, hasErrno } from "../base/errors.ts";
import { RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS } from "../effects/kernel/constants.ts";
import { openat2 } from "../effects/kernel/libc.ts";

/** Where the files of one stream are, from the task's request. */
export interface LogPlace {
  /** The allocation's private folder. */
  readonly allocDir: string;
  /** The log pipe of the stream, beside its files: `…/alloc/logs/.web.stdout.fifo`. */
  readonly pipe: string;
}

interface LogRequest {
  readonly allocDir: string;
  readonly stdoutPath: string;
  readonly stderrPath: string;
}

/** @throws DriverError `LOG_MISSING` if the request is unknown or names no logs */
export function logPlaces(request: LogRequest | null): Readonly<Record<"stdout" | "stderr", LogPlace>> {
  const { allocDir, stdoutPath, stderrPath } = request ?? {};
  if (!allocDir || !stdoutPath || !stderrPath) throw logMissing();
  if (stdoutPath === "/dev/null") throw new DriverError("LOG_MISSING", "its job has logs disabled");
  return { stdout: { allocDir, pipe: stdoutPath }, stderr: { allocDir, pipe: stderrPath } };
}

export class LogFiles {
  readonly #folder: number;
  readonly #base: string;
  #watcher: FSWatcher | undefined;

  /** @throws DriverError `LOG_MISSING` */
  constructor({ allocDir, pipe }: LogPlace) {
    this.#base = basename(pipe)
      .replace(/^\./, "")
      .replace(/\.fifo$/, "");
    this.#folder = openFolder(allocDir, dirname(pipe));
  }

  /** Numbers of the existing files, oldest first. */
  indexes(): number[] {
    const indexes = readdirSync(this.#path).flatMap((name) => {
      const number = name.slice(this.#base.length + 1);
      return name.startsWith(`${this.#base}.`) && /^\d{1,9}$/.test(number) ? Number(number) : [];
    });
    return indexes.sort((a, b) => a - b);
  }

  /**
   * Opens a file to read it.
   * @returns a descriptor for the caller to close; undefined if the file has been removed meanwhile, is
   *   not a regular file, or has several hard links: a task may have linked one of the host's files
   */
  open(index: number): number | undefined {
    try {
      const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
      const file = openSync(`${this.#path}/${this.#base}.${index}`, flags);
      const status = fstatSync(file);
      if (status.isFile() && status.nlink <= 1) return file;
      closeSync(file);
      return undefined;
    } catch (thrown) {
      if (["ENOENT", "ELOOP", "ENXIO", "ENODEV"].some((errno) => hasErrno(thrown, errno))) return undefined;
      throw thrown;
    }
  }

  /**
   * Calls `changed` after each change in the folder, by inotify(7), until {@link close}.
   * @param gone called if the watch fails; after that, `changed` is not called any more
   */
  watch(changed: () => void, gone: () => void): void {
    this.#watcher = watch(this.#path, changed).on("error", gone);
  }

  close(): void {
    this.#watcher?.close();
    closeSync(this.#folder);
  }

  /** Stays valid even if the folder is renamed or removed. */
  get #path(): string {
    return `/proc/self/fd/${this.#folder}`;
  }
}

function openFolder(allocDir: string, folder: string): number {
  try {
    const root = openSync(allocDir, constants.O_DIRECTORY);
    try {
      return openat2(root, relative(allocDir, folder) || ".", {
        flags: constants.O_RDONLY | constants.O_DIRECTORY,
        resolve: RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH,
      });
    } finally {
      closeSync(root);
    }
  } catch (thrown) {
    if (hasErrno(thrown, "ENOENT")) throw logMissing();
    const { failed } = DriverError.from(thrown, "LOG_MISSING", "the logs cannot be read");
    const hasLink = ["ELOOP", "EXDEV", "ENOTDIR"].includes(failed?.errno ?? "");
    throw new DriverError("LOG_MISSING", "the logs cannot be read", {
      failed,
      hint: hasLink ? "A task may have replaced the folder of the logs with a link" : undefined,
    });
  }
}

/** The error if the task's output no longer exists. */
export function logMissing(): DriverError {
  return new DriverError("LOG_MISSING", "its output has been removed with its folder", {
    hint: "run --keep keeps the folder of a local run; for a task of Nomad, try nomad alloc logs",
  });
}

/** Reads up to `length` bytes of an open file, from `offset` on. */
export function readAt(file: number, offset: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  return bytes.subarray(0, readSync(file, bytes, 0, length, offset));
}

const chunkBytes = 64 * 1024;
const newline = 0x0a;

/**
 * Bytes at the end of a stream in which its last lines are looked for. A task may leave a file without any
 * line: a sparse file of terabytes takes it no time.
 */
const maxSeekBytes = 64 * 2 ** 20;

/** Reads the bytes of one stream of a task's output, from a chosen line on, through all later files. */
export class LogStream {
  readonly #files: LogFiles;
  #file: number | undefined;
  #index = -1;
  #offset = 0;

  /** @throws DriverError `LOG_MISSING` */
  constructor(place: LogPlace) {
    this.#files = new LogFiles(place);
  }

  /** Whether there are any files of the stream. */
  get exists(): boolean {
    return this.#files.indexes().length > 0;
  }

  /**
   * Starts at the last `count` lines, or later: at most `within` bytes from the end. A line that begins before
   * them is cut.
   */
  seekLines(count: number, within = maxSeekBytes): void {
    if (count === 0) {
      this.#seekEnd();
      return;
    }
    // A newline at the very end does not begin another line.
    let missing = count + 1;
    let isEnd = true;
    let room = within;
    for (const index of this.#files.indexes().reverse()) {
      const file = this.#files.open(index);
      if (file === undefined) continue;
      for (let end = fstatSync(file).size; end > 0; ) {
        if (room <= 0) {
          this.#goTo(file, index, end);
          return;
        }
        const length = Math.min(end, chunkBytes, room);
        const bytes = readAt(file, end - length, length);
        room -= length;
        if (isEnd && bytes.at(-1) !== newline) missing -= 1;
        isEnd = false;
        for (let at = bytes.length - 1; at >= 0; at--) {
          if (bytes[at] !== newline) continue;
          missing -= 1;
          if (missing > 0) continue;
          this.#goTo(file, index, end - bytes.length + at + 1);
          return;
        }
        end -= bytes.length;
        if (bytes.length === 0) break;
      }
      closeSync(file);
    }
  }

  #seekEnd(): void {
    const last = this.#files.indexes().at(-1);
    const file = last === undefined ? undefined : this.#files.open(last);
    if (last !== undefined && file !== undefined) this.#goTo(file, last, fstatSync(file).size);
  }

  /** The next bytes, from the next file if the current file is at its end. Undefined if none exist yet. */
  read(): Buffer | undefined {
    for (;;) {
      if (this.#file !== undefined) {
        const bytes = readAt(this.#file, this.#offset, chunkBytes);
        this.#offset += bytes.length;
        if (bytes.length > 0) return bytes;
      }
      // The file is at its end. If there is a later file, this file is read once more: the writer may have
      // appended to this file before it began the later file.
      const next = this.#files.indexes().find((index) => index > this.#index);
      if (next === undefined) return undefined;
      const last = this.#file === undefined ? Buffer.alloc(0) : readAt(this.#file, this.#offset, chunkBytes);
      if (last.length > 0) {
        this.#offset += last.length;
        return last;
      }
      const file = this.#files.open(next);
      if (file === undefined) return undefined;
      this.#goTo(file, next, 0);
    }
  }

  /** Calls `changed` after each change in the folder of the stream's files, until the stream is closed. */
  watch(changed: () => void): void {
    this.#files.watch(changed, () => {});
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#files.close();
  }

  #goTo(file: number, index: number, offset: number): void {
    if (this.#file !== undefined) closeSync(this.#file);
    [this.#file, this.#index, this.#offset] = [file, index, offset];
  }
}
