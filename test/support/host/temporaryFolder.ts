/** Folders for a test, or for all tests of a file. */
import { chmodSync, chownSync, mkdtempSync, realpathSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { onFileFinished } from "../fileEnd.ts";

/** Not below /tmp, because tasks have their own /tmp. */
export const persistentFolders = "/var/lib";

/**
 * A new folder without symlinks in its path, which only this user may enter. It is removed after the test.
 */
export function temporaryFolder(parent = tmpdir()): string {
  const folder = newFolder(parent);
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/**
 * A folder of the host that every user may enter and read. No task's root has it. It is removed after the
 * test.
 */
export function hostFolder({ uid, gid } = { uid: 0, gid: 0 }, parent = persistentFolders): string {
  const folder = temporaryFolder(parent);
  chmodSync(folder, 0o755);
  chownSync(folder, uid, gid);
  return folder;
}

/** Where volumes can be idmapped: an overlay, as of the virtual machine, has no idmapped mounts. */
export const idmappedFolders = statfsSync(persistentFolders).type === 0x794c7630 ? "/run" : persistentFolders;

/** A new folder for all tests of a file. It is removed after the tests. */
export function folderOfFile(parent = tmpdir()): string {
  const folder = newFolder(parent);
  onFileFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function newFolder(parent: string): string {
  return realpathSync(mkdtempSync(join(parent, "exec2-test-")));
}
