/** Node at a path that tasks reach. */
import { chmodSync, constants, copyFileSync, linkSync, mkdtempSync, rmSync } from "node:fs";
import { onFileFinished } from "../fileEnd.ts";
import { persistentFolders } from "./temporaryFolder.ts";

/**
 * This process's Node, at a path for the duration of the test file. No task reaches a checkout below a home
 * folder of another user, or below /tmp, which tasks have for themselves.
 */
export function reachableNode(): string {
  const folder = mkdtempSync(`${persistentFolders}/exec2-node-`);
  onFileFinished(() => rmSync(folder, { recursive: true }));
  chmodSync(folder, 0o755);
  const path = `${folder}/node`;
  try {
    linkSync(process.execPath, path);
  } catch {
    // Another file system, or one without links.
    copyFileSync(process.execPath, path, constants.COPYFILE_FICLONE);
  }
  return path;
}
