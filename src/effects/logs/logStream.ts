/**
 * Reads one stream of a task's output from the files that hold it: `web.stdout.0`, then `.1`, … Tasks may be
 * able to write to their folder, so it is resolved once, without symlinks, and only regular files in it are read.
 */
import { closeSync, constants, fstatSync, openSync, readdirSync, readSync } from "node:fs";
import { basename, dirname, relative } from "node:path";
import { RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS } from "../../effects/kernel/constants.ts";
import { openat2 } from "../../effects/kernel/libc.ts";
import { DriverError, hasErrno } from "../../errors.ts";

/** What a task's request says of its logs. */
export interface LogPlace {
  /** The allocation's private folder. */
  readonly allocDir: string;
  /** The log pipe of the stream, beside its files: `…/alloc/logs/.web.stdout.fifo`. */
  readonly pipe: string;
}

const chunkBytes = 64 * 1024;
const newline = 0x0a;

export class LogStream {
  readonly #folder: number;
  readonly #base: string;
  #file: number | undefined;
  #index = -1;
  #offset = 0;

  /** @throws DriverError `LOG_MISSING` */
  constructor({ allocDir, pipe }: LogPlace) {
    this.#base = basename(pipe)
      .replace(/^\./, "")
      .replace(/\.fifo$/, "");
    this.#folder = openFolder(allocDir, dirname(pipe));
  }

  /** The folder, as a path that stays valid while it is renamed or removed. */
  get folder(): string {
    return `/proc/self/fd/${this.#folder}`;
  }

  /** Whether there are any files of the stream. */
  get exists(): boolean {
    return this.#indexes().length > 0;
  }

  /** Starts at the last `count` lines. */
  seekLines(count: number): void {
    if (count === 0) {
      this.#seekEnd();
      return;
    }
    // A newline at the very end begins no further line.
    let missing = count + 1;
    let isEnd = true;
    for (const index of this.#indexes().reverse()) {
      const file = this.#open(index);
      if (file === undefined) continue;
      for (let end = fstatSync(file).size; end > 0; ) {
        const bytes = readAt(file, Math.max(0, end - chunkBytes), Math.min(end, chunkBytes));
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
    const last = this.#indexes().at(-1);
    const file = last === undefined ? undefined : this.#open(last);
    if (last !== undefined && file !== undefined) this.#goTo(file, last, fstatSync(file).size);
  }

  /** The next bytes, on into later files; undefined if there are none yet. */
  read(): Buffer | undefined {
    for (;;) {
      if (this.#file !== undefined) {
        const bytes = readAt(this.#file, this.#offset, chunkBytes);
        this.#offset += bytes.length;
        if (bytes.length > 0) return bytes;
      }
      // The file is read to its end. If there is a later one, its writer may have written more before it went
      // on to that: read once more.
      const next = this.#indexes().find((index) => index > this.#index);
      if (next === undefined) return undefined;
      const last = this.#file === undefined ? Buffer.alloc(0) : readAt(this.#file, this.#offset, chunkBytes);
      if (last.length > 0) {
        this.#offset += last.length;
        return last;
      }
      const file = this.#open(next);
      if (file === undefined) return undefined;
      this.#goTo(file, next, 0);
    }
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    closeSync(this.#folder);
  }

  #goTo(file: number, index: number, offset: number): void {
    if (this.#file !== undefined) closeSync(this.#file);
    [this.#file, this.#index, this.#offset] = [file, index, offset];
  }

  /** Numbers of the files, the oldest first. */
  #indexes(): number[] {
    const indexes = readdirSync(this.folder).flatMap((name) => {
      const number = name.slice(this.#base.length + 1);
      return name.startsWith(`${this.#base}.`) && /^\d{1,9}$/.test(number) ? Number(number) : [];
    });
    return indexes.sort((a, b) => a - b);
  }

  /** Undefined if it has been removed meanwhile, or is no regular file. */
  #open(index: number): number | undefined {
    try {
      const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
      const file = openSync(`${this.folder}/${this.#base}.${index}`, flags);
      if (fstatSync(file).isFile()) return file;
      closeSync(file);
      return undefined;
    } catch (thrown) {
      if (hasErrno(thrown, "ENOENT") || hasErrno(thrown, "ELOOP")) return undefined;
      throw thrown;
    }
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
    throw DriverError.from(thrown, "LOG_MISSING", "the logs cannot be read");
  }
}

/** The task's output is not there any more. */
export function logMissing(): DriverError {
  return new DriverError("LOG_MISSING", "its output has been removed with its folder", {
    hint: "run --keep keeps the folder of a local run; for a task of Nomad, try nomad alloc logs",
  });
}

function readAt(file: number, offset: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  return bytes.subarray(0, readSync(file, bytes, 0, length, offset));
}
