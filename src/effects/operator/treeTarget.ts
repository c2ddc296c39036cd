/**
 * Writes what is copied, into a folder that a hostile task may change meanwhile. Paths are resolved below that folder,
 * without symlinks. A file is made under a name of its own and then renamed: what was there is replaced as a name, and
 * never written to, whether it is a link, a FIFO, a device, or another name of some other file.
 */
import { randomBytes } from "node:crypto";
import {
  type BigIntStats,
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  ftruncateSync,
  futimesSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statfsSync,
  symlinkSync,
  write as writeWithCallback,
} from "node:fs";
import { posix } from "node:path";
import { promisify } from "node:util";
import { DriverError, hasErrno } from "../../base/errors.ts";
import { O_DIRECTORY, O_PATH } from "../kernel/constants.ts";
import { asFileUser, type FileUser } from "../kernel/fileUser.ts";
import { openat2 } from "../kernel/libc.ts";
import { type CopiedEntry, type CopiedFile, copiedModeBits } from "./copiedEntry.ts";
import { beneath } from "./treeSource.ts";

const write = promisify(writeWithCallback);

export interface TargetWatch {
  /** Called with each file that is about to be replaced. */
  readonly replaces: (path: string, status: BigIntStats) => void;
  /** Called with each number of bytes that were written. */
  readonly wrote: (bytes: number) => void;
}

export class TreeTarget {
  readonly #folder: number;
  readonly #name: string;
  readonly #user: FileUser | undefined;
  readonly #watch: TargetWatch;
  /** The folders that were made, with the modes that they get at the end: one may be read-only. */
  readonly #made: { readonly path: string; readonly mode: number }[] = [];

  /**
   * @param folder descriptor of the folder to write to; it stays open
   * @param name of the copy in that folder; empty if its content goes into the folder itself
   * @param user whose files the copies become, and whose rights decide; undefined for this process's user
   */
  constructor(folder: number, name: string, user: FileUser | undefined, watch: TargetWatch) {
    this.#folder = folder;
    this.#name = name;
    this.#user = user;
    this.#watch = watch;
  }

  /** @throws DriverError `COPY_FAILED` */
  async add(entry: CopiedEntry): Promise<void> {
    const path = posix.join(this.#name, checkedPath(entry.path));
    try {
      if (entry.kind === "folder") this.#addFolder(path, entry.mode);
      else if (path === ".")
        throw new DriverError("COPY_FAILED", "a folder cannot be replaced by something else");
      else if (entry.kind === "link") this.#addLink(path, entry.target);
      else await this.#addFile(path, entry);
    } catch (thrown) {
      throw failureAt(path, thrown);
    }
  }

  /**
   * Gives the folders that were made their modes.
   * @throws DriverError `COPY_FAILED`, such as for a folder that was removed meanwhile
   */
  finish(): void {
    for (const { path, mode } of this.#made.toReversed()) {
      try {
        using opened = new DisposableStack();
        const folder = opened.adopt(this.#open(path), closeSync);
        this.#as(() => chmodSync(`/proc/self/fd/${folder}`, mode));
      } catch (thrown) {
        throw failureAt(path, thrown);
      }
    }
  }

  #addFolder(path: string, mode: number): void {
    if (path === ".") return;
    using opened = new DisposableStack();
    const parent = opened.adopt(this.#open(posix.dirname(path)), closeSync);
    try {
      this.#as(() => mkdirSync(entryOf(parent, path), 0o700));
    } catch (thrown) {
      if (!hasErrno(thrown, "EEXIST")) throw thrown;
      // A folder may be there already. A link to one is not followed.
      closeSync(this.#open(path));
      return;
    }
    this.#made.push({ path, mode: mode & copiedModeBits });
  }

  #addLink(path: string, target: string): void {
    using opened = new DisposableStack();
    const parent = opened.adopt(this.#open(posix.dirname(path)), closeSync);
    const temporary = temporaryName(parent);
    this.#as(() => symlinkSync(target, temporary));
    this.#replace(parent, path, temporary);
  }

  async #addFile(path: string, { mode, changedMs, size, chunks }: CopiedFile): Promise<void> {
    using opened = new DisposableStack();
    const parent = opened.adopt(this.#open(posix.dirname(path)), closeSync);
    this.#checkRoom(parent, size);
    const temporary = temporaryName(parent);
    const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    const descriptor = this.#as(() => openSync(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600));
    using unfinished = new DisposableStack();
    unfinished.defer(() => rmSync(temporary, { force: true }));
    try {
      for await (const { at, bytes } of chunks()) {
        for (let written = 0; written < bytes.length; ) {
          const { bytesWritten } = await write(
            descriptor,
            bytes,
            written,
            bytes.length - written,
            at + written,
          );
          written += bytesWritten;
        }
        this.#watch.wrote(bytes.length);
      }
      ftruncateSync(descriptor, size);
      fchmodSync(descriptor, mode & copiedModeBits);
      futimesSync(descriptor, changedMs / 1000, changedMs / 1000);
    } finally {
      closeSync(descriptor);
    }
    this.#replace(parent, path, temporary);
    unfinished.move();
  }

  /** Root may write beyond the limit of a disk. So what there is room for is asked beforehand. */
  #checkRoom(parent: number, size: number): void {
    if (this.#user === undefined) return;
    const { bavail, bsize } = statfsSync(`/proc/self/fd/${parent}`);
    // A file with holes needs less than its size, but its holes are the task's to fill.
    if (size > bavail * bsize)
      throw new DriverError("COPY_FAILED", "there is no room for it", {
        failed: { call: "statfs", errno: "ENOSPC" },
      });
  }

  #replace(parent: number, path: string, temporary: string): void {
    const place = entryOf(parent, path);
    const before = lstatSync(place, { bigint: true, throwIfNoEntry: false });
    if (before?.isFile()) this.#watch.replaces(path, before);
    this.#as(() => renameSync(temporary, place));
  }

  #open(path: string): number {
    return this.#as(() => openat2(this.#folder, path, { flags: O_PATH | O_DIRECTORY, resolve: beneath }));
  }

  #as<Result>(act: () => Result): Result {
    return this.#user === undefined ? act() : asFileUser(this.#user, act);
  }
}

/**
 * A path that stays below its folder: no archive's member may name another place.
 * @throws DriverError `COPY_FAILED`
 */
function checkedPath(path: string): string {
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  if (!path.startsWith("/") && !names.includes("..") && !path.includes("\0")) return names.join("/");
  throw new DriverError("COPY_FAILED", `the name ${path} leads out of the folder that is copied`, {
    hint: "Nothing of this name was written: look at where the archive comes from",
  });
}

/** The calls go through /proc/self/fd, so an error names the path that a person knows. */
function failureAt(path: string, thrown: unknown): DriverError {
  if (thrown instanceof DriverError && thrown.code === "COPY_FAILED") return thrown;
  const { failed } = DriverError.from(thrown, "COPY_FAILED", "");
  if (failed === undefined) return DriverError.from(thrown, "COPY_FAILED", `${path} cannot be written`);
  const hint = hints[failed.errno ?? ""];
  return new DriverError("COPY_FAILED", `${path} cannot be written`, {
    failed: { ...failed, path },
    cause: thrown,
    ...(hint && { hint }),
  });
}

const hints: Readonly<Record<string, string>> = {
  ELOOP: "A symlink is in the way, and is not followed: remove it, or name the folder that it leads to",
  ENOTDIR: "Something that is no folder is in the way",
  EISDIR: "A folder of that name is in the way",
  EACCES: "In a task, files are written with the rights of its user",
  EROFS: "It is read-only there",
};

function entryOf(parent: number, path: string): string {
  return `/proc/self/fd/${parent}/${posix.basename(path)}`;
}

function temporaryName(parent: number): string {
  return `/proc/self/fd/${parent}/.exec2-cp-${randomBytes(6).toString("hex")}`;
}
