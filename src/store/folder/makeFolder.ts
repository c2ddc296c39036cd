import { existsSync, mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { errnoOf } from "../../errors.ts";

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
