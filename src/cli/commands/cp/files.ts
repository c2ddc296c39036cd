/** Where a copy begins and ends: on this host, or in a task. */
import { closeSync, fstatSync, openSync } from "node:fs";
import { posix } from "node:path";
import { DriverError, hasErrno } from "../../../base/errors.ts";
import { O_PATH } from "../../../effects/kernel/constants.ts";
import type { FileUser } from "../../../effects/kernel/fileUser.ts";
import { visible } from "../../../units/visible.ts";
import { nameOf } from "./places.ts";

/** The files of this host, or of a task. */
export interface Files {
  /** A descriptor (`O_PATH`) of what a path leads to; undefined if nothing is there. The caller closes it. */
  open(path: string): number | undefined;
  /** @throws DriverError `COPY_FAILED` if no copy may be put into a folder */
  checkTarget(folder: number, path: string): void;
  /** Whose the copies become; undefined for this process's user. */
  readonly user: FileUser | undefined;
}

export const hostFiles: Files = {
  open(path) {
    try {
      return openSync(path, O_PATH);
    } catch (thrown) {
      if (hasErrno(thrown, "ENOENT") || hasErrno(thrown, "ENOTDIR")) return undefined;
      throw DriverError.from(thrown, "COPY_FAILED", `${visible(path)} cannot be opened`);
    }
  },
  checkTarget: () => undefined,
  user: undefined,
};

/**
 * Opens what is to be copied.
 * @throws DriverError `PATH_NOT_FOUND`
 */
export function openSource(files: Files, path: string): number {
  return files.open(path) ?? nothingAt(path);
}

/** An open folder, and the name of the copy in it; an empty name stands for the folder itself. */
export interface CopyTarget {
  readonly folder: number;
  readonly name: string;
}

/**
 * Opens the folder that a copy goes into. An existing folder takes it under the source's name; otherwise the last
 * name of the path is the copy's.
 * @throws DriverError `PATH_NOT_FOUND`, `COPY_FAILED`
 */
export function openTarget(files: Files, path: string, source: string): CopyTarget {
  using undo = new DisposableStack();
  const keep = (descriptor: number) => undo.adopt(descriptor, closeSync);
  const found = files.open(path);
  const isFolder = found !== undefined && fstatSync(keep(found)).isDirectory();
  const folder = isFolder ? found : keep(files.open(posix.dirname(path)) ?? nothingAt(posix.dirname(path)));
  if (!isFolder && (path.endsWith("/") || !fstatSync(folder).isDirectory())) nothingAt(path);
  files.checkTarget(folder, path);
  if (found !== undefined && !isFolder) closeSync(found);
  undo.move();
  return { folder, name: isFolder ? nameOf(source) : posix.basename(path) };
}

function nothingAt(path: string): never {
  throw new DriverError("PATH_NOT_FOUND", `there is no file or folder at ${visible(path)}`, {
    hint: "A task's paths are those that it sees: nomad-driver-exec2 ls TASK",
  });
}
