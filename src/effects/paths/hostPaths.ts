/** Looks at paths of the host, and decides which of them a task's user could find without the driver. */

import { lstatSync, readlinkSync, realpathSync, type Stats, statSync } from "node:fs";
import { dirname } from "node:path";
import { type CapabilitySet, capabilitySet, noCapabilities } from "../kernel/capabilities.ts";
import { getxattr } from "../kernel/libc.ts";
import { follow, type HostEntry } from "./followPath.ts";

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

/** The user who looks for a path. */
export interface Viewer {
  readonly uid: number;
  readonly gid: number;
  /** Gids of supplementary groups. */
  readonly groups: readonly number[];
  /** Undefined for none. */
  readonly capabilities: { readonly kept: CapabilitySet } | undefined;
}

/**
 * Whether a path of the host exists and the viewer may enter all folders on the way to it, including those
 * that symlinks lead through.
 */
export type IsVisible = (path: string) => boolean;

/**
 * The plugin looks paths up as root, and whoever submits a job sees its errors. So if a job names a path that
 * its user cannot reach, the plugin answers as if the path did not exist.
 */
export function visibilityFor(viewer: Viewer): IsVisible {
  return (path) => {
    const look = (at: string) => (mayEnter(viewer, dirname(at)) ? lookAt(at) : undefined);
    return follow(path, look) !== undefined;
  };
}

/** With one of these capabilities a user enters folders whatever their modes: capabilities(7). */
const enteringAll = capabilitySet(["dac_override", "dac_read_search"]);

/** @param folder without symlinks */
function mayEnter({ uid, gid, groups, capabilities }: Viewer, folder: string): boolean {
  if (capabilities !== undefined && (capabilities.kept & enteringAll) !== noCapabilities) return true;
  try {
    const { mode, uid: owner, gid: group } = statSync(folder);
    if (owner === uid) return (mode & 0o100) !== 0;
    const isMember = group === gid || groups.includes(group);
    if ((mode & (isMember ? 0o010 : 0o001)) !== 0) return true;
  } catch {
    return false;
  }
  // An access control list may allow this user by name: acl(5).
  return getxattr(folder, "system.posix_acl_access") !== undefined;
}

/** Resolves the symlinks in a path of the host; undefined if the path cannot be reached. */
export function realPathOf(path: string): string | undefined {
  try {
    return realpathSync.native(path);
  } catch {
    return undefined;
  }
}
