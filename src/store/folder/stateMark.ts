/**
 * The mark by which a state folder is known as one. Nothing is removed from a folder without a mark, so that a
 * mistyped path costs nobody their files. The mark names the folder's owner, device and inode: a copy of the
 * folder, or a mark that was moved into another folder, proves nothing.
 *
 * The mark is plain text, because the Debian package's script for a purge reads it, too.
 */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { replaceFile } from "./files.ts";
import { markName } from "./stateEntries.ts";

/**
 * Marks a folder as a state folder, unless it has its mark. Only the process that owns the folder may call this.
 * A failure is ignored: on a full disk, tasks still run, and only the folder's removal needs the mark.
 */
export function markStateFolder(folder: string): void {
  try {
    if (isMarked(folder)) return;
    const text = markOf(folder);
    replaceFile(join(folder, markName), (unfinished) => writeFileSync(unfinished, text, { mode: 0o600 }));
  } catch {
    // The next plugin tries again.
  }
}

/** Whether a folder is a state folder of this driver. */
export function isMarked(folder: string): boolean {
  try {
    return readFileSync(join(folder, markName), "utf8") === markOf(folder);
  } catch {
    return false;
  }
}

/** @throws the file system's error if there is no such folder */
function markOf(folder: string): string {
  const { uid, dev, ino } = statSync(folder, { bigint: true });
  const fields = { kind: "nomad-driver-exec2 state folder", format: 1, owner: uid, device: dev, inode: ino };
  return Object.entries(fields)
    .map(([name, value]) => `${name} ${value}\n`)
    .join("");
}
