/** Operations on files and folders for which Node has no suitable function. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { errnoOf } from "../../base/errors.ts";

/**
 * Creates a folder and its parents, unless they exist. Node's own recursive mkdir never returns where the
 * kernel refuses folders, such as in /proc.
 * @throws the file system's error
 */
export function makeFolder(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode });
  } catch (thrown) {
    if (errnoOf(thrown) === "EEXIST" && statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
    if (errnoOf(thrown) !== "ENOENT" || existsSync(dirname(path))) throw thrown;
    makeFolder(dirname(path), mode);
    mkdirSync(path, { mode });
  }
}

/** The folder itself, or its nearest parent that exists. @param path an absolute path */
export function nearestFolder(path: string): string {
  return existsSync(path) ? path : nearestFolder(dirname(path));
}

/** Names in a folder; none if it cannot be read. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/**
 * Ending of the file that {@link replaceFile} writes before it renames the file. The file remains if the
 * process dies before the rename.
 */
const UNFINISHED = ".new";

/**
 * Replaces a file as a whole, or creates it. Readers see the old file or the new one. On a full disk, the old
 * one stays.
 * @param write writes the new file, with its final owner and mode, to the path that it is given. `write`
 *   also flushes the file, if the replacement has to survive a power cut.
 * @throws what `write` throws, and the file system's errors
 */
export function replaceFile(path: string, write: (unfinished: string) => void): void {
  const unfinished = `${path}.${process.pid}${UNFINISHED}`;
  try {
    write(unfinished);
    renameSync(unfinished, path);
  } catch (thrown) {
    rmSync(unfinished, { force: true });
    throw thrown;
  }
}

/** Whether a file with this name is one that {@link replaceFile} has not completed. */
export function isUnfinished(name: string): boolean {
  return name.endsWith(UNFINISHED);
}
