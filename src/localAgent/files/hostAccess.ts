/** Gives the functions of a job file access to this host's files. */
import { randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { DriverError } from "../../base/errors.ts";
import type { HostAccess } from "../jobspec/expressions/functions/files.ts";

/**
 * @param jobFile path of the job file. As for `nomad job run`, relative paths in the file begin at its
 *   folder; only `abspath` resolves them from the current folder
 */
export function hostAccess(jobFile: string): HostAccess {
  const folder = dirname(jobFile);
  const absolute = (path: string) => resolve(folder, path);
  const reading = <T>(path: string, work: () => T): T => {
    try {
      return work();
    } catch (thrown) {
      throw DriverError.from(thrown, "JOB_INVALID", `${path} cannot be read`);
    }
  };
  return {
    read: (path) => reading(path, () => readFileSync(absolute(path))),
    exists: (path) => existsSync(absolute(path)),
    filesBelow: (path) =>
      reading(path, () =>
        readdirSync(absolute(path), { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => relative(absolute(path), join(entry.parentPath, entry.name))),
      ),
    absolute: (path) => resolve(path),
    home: homeFolder(),
    randomUuid: () => randomUUID(),
  };
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
