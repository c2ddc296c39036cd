/**
 * Looks at paths of the host: which of them a task's user could find without the driver, and which are on remote
 * mounts, those that another machine or a process serves.
 */

import { lstatSync, openSync, readFileSync, readlinkSync, realpathSync, type Stats, statSync } from "node:fs";
import { dirname } from "node:path";
import { POLLPRI } from "../kernel/constants.ts";
import { getxattr, poll } from "../kernel/libc.ts";
import { remoteMountPoints } from "./mountinfo.ts";
import { follow, type HostEntry } from "./paths.ts";

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
  /** Whether the user has a capability to enter all folders. */
  readonly entersAll: boolean;
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

/** @param folder without symlinks */
function mayEnter({ uid, gid, groups, entersAll }: Viewer, folder: string): boolean {
  if (entersAll) return true;
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

/** Whether a path of the host leads to a remote file system. */
export function isRemote(path: string): boolean {
  return remoteMountOnTheWay(path) !== undefined;
}

/** The host's mounts. Every change to the mounts leads to a new object. */
export interface HostMounts {
  /** proc_pid_mountinfo(5) */
  readonly mountinfo: string;
  /** The mount points of remote file systems. */
  readonly remote: ReadonlySet<string>;
}

let known: { readonly descriptor: number; readonly mounts: HostMounts } | undefined;

/**
 * The host's mounts. They are read again only after a change, which the kernel reports by POLLPRI
 * (proc_pid_mounts(5)).
 */
export function hostMounts(): HostMounts {
  if (known !== undefined && !poll(known.descriptor, POLLPRI)) return known.mounts;
  // The polled descriptor is opened before the file is read, so that no change is missed.
  const descriptor = known?.descriptor ?? openSync("/proc/self/mountinfo", "r");
  const mountinfo = readFileSync("/proc/self/mountinfo", "utf8");
  known = { descriptor, mounts: { mountinfo, remote: new Set(remoteMountPoints(mountinfo)) } };
  return known.mounts;
}

/**
 * The first remote mount point on a path of the host. The walk ends at the mount point and does not enter it.
 */
export function remoteMountOnTheWay(path: string): string | undefined {
  const { remote } = hostMounts();
  if (remote.size === 0) return undefined;
  let met: string | undefined;
  follow(path, (at) => {
    if (!remote.has(at)) return lookAt(at);
    met = at;
    return undefined;
  });
  return met;
}
