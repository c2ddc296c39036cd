/** Looks at paths of the host, and decides which of them a task's user could find without the driver. */

import { closeSync, lstatSync, readlinkSync, realpathSync, type Stats } from "node:fs";
import { AT_FDCWD, O_PATH, RESOLVE_NO_MAGICLINKS } from "../kernel/constants.ts";
import { asFileUser, type FileUser } from "../kernel/fileUser.ts";
import { tryOpenat2 } from "../kernel/libc.ts";
import type { HostEntry } from "./followPath.ts";
import { isInProc } from "./paths.ts";

/** Looks at a path without following a symlink at its end; undefined if nothing is there. */
export function lookAt(path: string): HostEntry | undefined {
  try {
    const status = lstatSync(path, { throwIfNoEntry: false });
    if (status === undefined) return undefined;
    if (status.isSymbolicLink()) return { kind: "link", target: readlinkSync(path) };
    const isDevice = status.isCharacterDevice() || status.isBlockDevice();
    return { kind: status.isDirectory() ? "folder" : isDevice ? "device" : "file", id: identityOf(status) };
  } catch {
    // Network and FUSE file systems may refuse root. Landlock cannot have a rule on such a path, either.
    return undefined;
  }
}

/** Identifies a file: another file at the same path has another identity. */
export function identityOf({ dev, ino }: Pick<Stats, "dev" | "ino">): string {
  return `${dev}:${ino}`;
}

/**
 * Whether a path of the host exists and a user may enter all folders on the way to it, including those that
 * symlinks lead through.
 */
export type IsVisible = (path: string) => boolean;

/**
 * The plugin looks paths up as root, and whoever submits a job sees its errors. So if a job names a path that
 * its user cannot reach, the plugin answers as if the path did not exist. The kernel decides what the user can
 * reach. In /proc everything counts as visible, because each task has its own /proc.
 */
export function visibilityFor(user: FileUser): IsVisible {
  return (path) => isInProc(path) || asFileUser(user, () => isReachable(path));
}

/** Whether this thread finds the path. */
function isReachable(path: string): boolean {
  const found = tryOpenat2(AT_FDCWD, path, { flags: O_PATH, resolve: RESOLVE_NO_MAGICLINKS });
  if (typeof found !== "number") return false;
  closeSync(found);
  return true;
}

/** Resolves the symlinks in a path of the host; undefined if the path cannot be reached. */
export function realPathOf(path: string): string | undefined {
  try {
    return realpathSync.native(path);
  } catch {
    return undefined;
  }
}
