/** Gives the functions of a job file access to this host. */
import { randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { DriverError, hasErrno } from "../../base/errors.ts";
import type { HostAccess } from "../jobspec/expressions/functions/files.ts";
import { goPatterns } from "./goPatterns.ts";

/**
 * The files that functions may read: all files that this user may read, no file, or only those below a
 * folder. Symlinks that lead out of this folder are not followed.
 */
export type ReadableFiles = "all" | "none" | { readonly below: string };

/**
 * @param jobFile path of the job file. As for `nomad job run`, relative paths in the file begin at its
 *   folder; only `abspath` resolves them from the current folder
 */
export function hostAccess(jobFile: string, readable: ReadableFiles = "all"): HostAccess {
  const folder = dirname(jobFile);
  const reading = <T>(path: string, work: (absolute: string) => T): T => {
    try {
      const absolute = resolve(folder, path);
      refuseOutside(readable, path, absolute);
      return work(absolute);
    } catch (thrown) {
      throw DriverError.from(thrown, "JOB_INVALID", `${path} cannot be read`);
    }
  };
  return {
    read: (path) => reading(path, (absolute) => readFileSync(absolute)),
    exists: (path) => reading(path, existsSync),
    filesBelow: (path) =>
      reading(path, (absolute) =>
        readdirSync(absolute, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile() && isReadable(readable, entry.parentPath))
          .map((entry) => relative(absolute, join(entry.parentPath, entry.name))),
      ),
    absolute: (path) => resolve(path),
    home: homeFolder(),
    randomUuid: () => randomUUID(),
    patterns: goPatterns(),
  };
}

/** @throws DriverError `JOB_INVALID` for a file that functions may not read */
function refuseOutside(readable: ReadableFiles, path: string, absolute: string): void {
  if (readable === "all") return;
  if (readable === "none") throw new DriverError("JOB_INVALID", `--no-files: ${path} is not read`);
  if (isReadable(readable, absolute)) return;
  throw new DriverError("JOB_INVALID", `--files ${readable.below}: ${path} is outside of this folder`);
}

function isReadable(readable: ReadableFiles, absolute: string): boolean {
  if (typeof readable === "string") return readable === "all";
  const below = relative(realpathSync(readable.below), realOf(absolute));
  return below !== ".." && !below.startsWith("../");
}

/** The real path of a file. Of a file that does not exist, its last folder that exists is resolved. */
function realOf(path: string): string {
  try {
    return realpathSync(path);
  } catch (thrown) {
    if (!hasErrno(thrown, "ENOENT") || dirname(path) === path) throw thrown;
    return join(realOf(dirname(path)), path.slice(dirname(path).length));
  }
}

/**
 * The user's home folder, for `~`. If a minimal host has no HOME and no entry for the user, `~` is not
 * replaced.
 */
function homeFolder(): string {
  try {
    return homedir();
  } catch {
    return "~";
  }
}
