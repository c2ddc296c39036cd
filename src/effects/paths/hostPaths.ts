/**
 * Looks at paths of the host: which of them a task's user could find without the driver, and which are on remote
 * mounts, those that another machine or a process serves.
 */

import {
  closeSync,
  lstatSync,
  openSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  type Stats,
} from "node:fs";
import { AT_FDCWD, O_PATH, POLLPRI, RESOLVE_NO_MAGICLINKS } from "../kernel/constants.ts";
import { asFileUser, type FileUser } from "../kernel/fileUser.ts";
import { poll, tryOpenat2 } from "../kernel/libc.ts";
import { remoteMountPoints } from "./mountinfo.ts";
import { MountTable } from "./mountTable.ts";
import { follow, type HostEntry, isInProc } from "./paths.ts";

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
  /** The same mounts, made into a table at the first call. */
  readonly table: () => MountTable;
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
  let made: MountTable | undefined;
  const table = () => {
    made ??= new MountTable(mountinfo);
    return made;
  };
  known = { descriptor, mounts: { mountinfo, remote: new Set(remoteMountPoints(mountinfo)), table } };
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
