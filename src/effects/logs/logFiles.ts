/**
 * The files that hold one stream of a task's output: `web.stdout.0`, then `.1`, … Tasks may be able to write
 * to the files' folder. So the folder's path is resolved once, without symlinks, and only regular files in the
 * folder are opened.
 */
import {
  closeSync,
  constants,
  type FSWatcher,
  fstatSync,
  opendirSync,
  openSync,
  readdirSync,
  readSync,
  type Stats,
  unlinkSync,
  watch,
  writeSync,
} from "node:fs";
import { basename, dirname, relative } from "node:path";
import { DriverError, hasErrno } from "../../base/errors.ts";
import { RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS } from "../kernel/constants.ts";
import { openat2 } from "../kernel/libc.ts";
import type { LogPipes } from "./destination.ts";
import { LogTimes, maxTimesBytes, timesName } from "./logTimes.ts";

/** Where the files of one stream are, from the task's request. */
export interface LogPlace {
  /** The allocation's private folder. */
  readonly allocDir: string;
  /** The log pipe of the stream, beside its files: `…/alloc/logs/.web.stdout.fifo`. */
  readonly pipe: string;
}

/** @throws DriverError `LOG_MISSING` if the request is unknown or names no logs */
export function logPlaces(request: LogPipes | null): Readonly<Record<"stdout" | "stderr", LogPlace>> {
  const { allocDir, stdoutPath, stderrPath } = request ?? {};
  if (!allocDir || !stdoutPath || !stderrPath) throw logMissing();
  if (stdoutPath === "/dev/null") throw new DriverError("LOG_MISSING", "its job has logs disabled");
  return { stdout: { allocDir, pipe: stdoutPath }, stderr: { allocDir, pipe: stderrPath } };
}

/**
 * The ends of a task's log files: where the output of its next run begins. Null if the task has no logs, or if
 * they cannot be looked at. Every start waits for this, so the folder is opened and listed once.
 */
export function outputPositions({ allocDir, stdoutPath, stderrPath }: LogPipes) {
  const place = dirname(stdoutPath);
  if (stdoutPath === "/dev/null" || place !== dirname(stderrPath)) return null;
  try {
    const folder = openFolder(allocDir, place);
    try {
      const names = namesIn(folder);
      return {
        stdout: endIn(folder, names, baseOf(stdoutPath)),
        stderr: endIn(folder, names, baseOf(stderrPath)),
      };
    } finally {
      closeSync(folder);
    }
  } catch {
    // Only the cause of a failure is looked for there.
    return null;
  }
}

/** The log folder of a task whose files the driver writes. */
export interface OwnLogFolder {
  /** A descriptor, for the caller to close. */
  readonly folder: number;
  /** Where the run's output begins. */
  readonly begin: Readonly<Record<"stdout" | "stderr", LogPosition>>;
}

/**
 * Opens the log folder for the driver's own logger, and removes files beyond `maxFiles`. The output goes on in
 * the newest file that root alone can have made: a task may have made others there with any number.
 * @throws DriverError `LOG_PIPE_UNSAFE` if a link or something else is in the folder's place
 * @throws DriverError `LOG_MISSING` if there is no such folder
 */
export function openOwnLogs({ allocDir, stdoutPath, stderrPath }: LogPipes, maxFiles: number): OwnLogFolder {
  const path = dirname(stdoutPath);
  const folder = openOwnFolder(allocDir, path);
  try {
    const names = namesIn(folder);
    const beginOf = (pipe: string) => {
      const base = baseOf(pipe);
      const indexes = indexesOf(names, base);
      const newest = newestOf(folder, base, indexes);
      for (const index of indexes) {
        if (newest === undefined || index > newest.file - maxFiles) break;
        removeOwn(folder, `${base}.${index}`);
        removeOwn(folder, timesName(`${base}.${index}`));
      }
      return newest ?? { file: 0, bytes: 0 };
    };
    return { folder, begin: { stdout: beginOf(stdoutPath), stderr: beginOf(stderrPath) } };
  } catch (thrown) {
    closeSync(folder);
    throw thrown;
  }
}

/**
 * Adds a line to the newest of the driver's own log files of a stream, while no logger runs. Begins a first file.
 * @param repeats whether to add it even if the file ends with it
 * @returns the end of the stream
 * @throws DriverError as {@link openOwnLogs} does; or an error of the file system
 */
export function addOwnLine({ allocDir, pipe }: LogPlace, line: string, { repeats = true } = {}): LogPosition {
  const folder = openOwnFolder(allocDir, dirname(pipe));
  try {
    const base = baseOf(pipe);
    const indexes = indexesOf(namesIn(folder), base);
    const newest = newestOf(folder, base, indexes);
    const flags = constants.O_RDWR | constants.O_APPEND | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const how = newest === undefined ? flags | constants.O_CREAT | constants.O_EXCL : flags;
    const index = newest?.file ?? (indexes.at(-1) ?? -1) + 1;
    const file = openSync(`${pathOf(folder)}/${base}.${index}`, how, 0o644);
    try {
      const status = fstatSync(file);
      if (isOwn(status) && (repeats || !endsWith(file, status.size, line))) writeSync(file, line);
      return { file: index, bytes: fstatSync(file).size };
    } finally {
      closeSync(file);
    }
  } finally {
    closeSync(folder);
  }
}

function endsWith(file: number, size: number, line: string): boolean {
  const length = Buffer.byteLength(line);
  return size >= length && readAt(file, size - length, length).toString() === line;
}

/** The end of the newest file that the driver or the agent has made; undefined if there is none. */
function newestOf(folder: number, base: string, indexes: readonly number[]): LogPosition | undefined {
  for (const file of indexes.toReversed()) {
    const opened = openFile(folder, `${base}.${file}`);
    if (opened === undefined) continue;
    try {
      const status = fstatSync(opened);
      if (isOwn(status)) return { file, bytes: status.size };
    } finally {
      closeSync(opened);
    }
  }
  return undefined;
}

/** Whether only root can have made a file there. */
function isOwn(status: Stats): boolean {
  return status.isFile() && status.nlink === 1 && status.uid === 0;
}

/** Removes a file that is too old. A task's own file stays. */
function removeOwn(folder: number, name: string): void {
  const file = openFile(folder, name);
  if (file === undefined) return;
  try {
    if (isOwn(fstatSync(file))) unlinkSync(`${pathOf(folder)}/${name}`);
  } finally {
    closeSync(file);
  }
}

function openOwnFolder(allocDir: string, path: string): number {
  try {
    return openFolder(allocDir, path);
  } catch (thrown) {
    const { failed } = DriverError.from(thrown, "LOG_MISSING", "");
    if (!meansLink(failed)) throw thrown;
    throw new DriverError(
      "LOG_PIPE_UNSAFE",
      `the log folder ${path} is unsafe: its path is not a folder of the allocation`,
      {
        ...(failed && { failed }),
        hint: "A task of the allocation may have replaced it: restart the allocation on another node, and find out who did it",
      },
    );
  }
}

function endIn(folder: number, names: readonly string[], base: string): LogPosition {
  const file = indexesOf(names, base).at(-1);
  if (file === undefined) return { file: 0, bytes: 0 };
  const opened = openFile(folder, `${base}.${file}`);
  if (opened === undefined) return { file, bytes: 0 };
  try {
    return { file, bytes: fstatSync(opened).size };
  } finally {
    closeSync(opened);
  }
}

/** A place in a stream of output. */
export interface LogPosition {
  /** The number of the file. */
  readonly file: number;
  /** Offset in the file. */
  readonly bytes: number;
}

/** A part of a stream, such as what one run has written: runs of a task share their files. */
export class LogSpan {
  static readonly whole = new LogSpan({ file: 0, bytes: 0 }, undefined);
  readonly #from: LogPosition;
  readonly #until: LogPosition | undefined;

  /** @param until undefined: the stream's end, which may move */
  constructor(from: LogPosition, until: LogPosition | undefined) {
    this.#from = from;
    this.#until = until;
  }

  /** Whether a file has some of it. */
  has(file: number): boolean {
    return file >= this.#from.file && file <= (this.#until?.file ?? file);
  }

  /** Offset in a file at which it begins. */
  beginIn(file: number): number {
    return file === this.#from.file ? this.#from.bytes : 0;
  }

  /** Offset in a file at which it ends. */
  endIn(file: number, size: number): number {
    return file === this.#until?.file ? Math.min(this.#until.bytes, size) : size;
  }
}

/** The folder has a few files. A task that may write there can add any number, and must not keep the plugin busy. */
const maxEntries = 8_192;

export class LogFiles {
  readonly #folder: number;
  readonly #base: string;
  #watcher: FSWatcher | undefined;

  /** @throws DriverError `LOG_MISSING` */
  constructor({ allocDir, pipe }: LogPlace) {
    this.#base = baseOf(pipe);
    this.#folder = openFolder(allocDir, dirname(pipe));
  }

  /** Numbers of the existing files, oldest first. */
  indexes(): number[] {
    return indexesOf(namesIn(this.#folder), this.#base);
  }

  /**
   * The last bytes of the stream, as text.
   * @param from where to begin; earlier output is another run's
   * @param maxBytes maximum length
   * @param until where to end; later output is another run's. Undefined: at the end
   */
  last(from: LogPosition, maxBytes: number, until?: LogPosition): string {
    const parts: Buffer[] = [];
    let room = maxBytes;
    for (const index of this.indexes().reverse()) {
      if (index < from.file || room <= 0) break;
      if (until !== undefined && index > until.file) continue;
      const file = this.open(index);
      if (file === undefined) continue;
      try {
        const begin = index === from.file ? from.bytes : 0;
        const { size } = fstatSync(file);
        const end = index === until?.file ? Math.min(until.bytes, size) : size;
        const length = Math.max(0, Math.min(room, end - begin));
        parts.unshift(readAt(file, end - length, length));
        room -= length;
      } finally {
        closeSync(file);
      }
    }
    return Buffer.concat(parts).toString();
  }

  /** When the newest file was last written to, in milliseconds since the epoch; undefined if there is none. */
  writtenAt(): number | undefined {
    const index = this.indexes().at(-1);
    const file = index === undefined ? undefined : this.open(index);
    if (file === undefined) return undefined;
    try {
      return fstatSync(file).mtimeMs;
    } finally {
      closeSync(file);
    }
  }

  /**
   * Opens a file to read it.
   * @returns a descriptor for the caller to close; undefined if the file has been removed meanwhile, is
   *   not a regular file, or has several hard links: a task may have linked one of the host's files
   */
  open(index: number): number | undefined {
    return openFile(this.#folder, `${this.#base}.${index}`);
  }

  /** The times of a file, if root alone can have made them; none for a file that the agent has written. */
  times(index: number): LogTimes {
    const file = openFile(this.#folder, timesName(`${this.#base}.${index}`));
    if (file === undefined) return LogTimes.none;
    try {
      const status = fstatSync(file);
      return isOwn(status) && status.size <= maxTimesBytes
        ? LogTimes.parse(readAt(file, 0, status.size))
        : LogTimes.none;
    } finally {
      closeSync(file);
    }
  }

  /**
   * Calls `changed` after each change in the folder, by inotify(7), until {@link close}. It takes whether a file
   * was made, removed or renamed.
   * @param gone called if the watch fails; after that, `changed` is not called any more
   */
  watch(changed: (isNew: boolean) => void, gone: () => void): void {
    this.#watcher = watch(pathOf(this.#folder), (type) => changed(type === "rename")).on("error", gone);
  }

  close(): void {
    this.#watcher?.close();
    closeSync(this.#folder);
  }
}

/** The path of an open folder: it stays valid even if the folder is renamed or removed. */
function pathOf(folder: number): string {
  return `/proc/self/fd/${folder}`;
}

function baseOf(pipe: string): string {
  return basename(pipe)
    .replace(/^\./, "")
    .replace(/\.fifo$/, "");
}

/** A folder of this size in bytes has some hundred files on most file systems, and at most thousands. */
const smallFolder = 8_192;

function namesIn(folder: number): string[] {
  const { size } = fstatSync(folder);
  // To list all at once takes a third of the time, but has no bound. Some file systems tell no size.
  if (size > 0 && size <= smallFolder) return readdirSync(pathOf(folder)).slice(0, maxEntries);
  const names: string[] = [];
  using entries = opendirSync(pathOf(folder), { bufferSize: 128 });
  for (let name = entries.readSync()?.name; name !== undefined; name = entries.readSync()?.name) {
    names.push(name);
    if (names.length === maxEntries) break;
  }
  return names;
}

function indexesOf(names: readonly string[], base: string): number[] {
  const indexes = names.flatMap((name) => {
    const number = name.slice(base.length + 1);
    return name.startsWith(`${base}.`) && /^\d{1,9}$/.test(number) ? Number(number) : [];
  });
  return indexes.sort((a, b) => a - b);
}

/** See {@link LogFiles.open}. */
function openFile(folder: number, name: string): number | undefined {
  try {
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const file = openSync(`${pathOf(folder)}/${name}`, flags);
    const status = fstatSync(file);
    if (status.isFile() && status.nlink <= 1) return file;
    closeSync(file);
    return undefined;
  } catch (thrown) {
    if (["ENOENT", "ELOOP", "ENXIO", "ENODEV"].some((errno) => hasErrno(thrown, errno))) return undefined;
    throw thrown;
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
    throw new DriverError("LOG_MISSING", "the logs cannot be read", {
      failed,
      hint: meansLink(failed) ? "A task may have replaced the folder of the logs with a link" : undefined,
    });
  }
}

/** Whether a link, or something else than a folder, is in the way to the log folder. */
function meansLink(failed: DriverError["failed"]): boolean {
  return ["ELOOP", "EXDEV", "ENOTDIR"].includes(failed?.errno ?? "");
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
