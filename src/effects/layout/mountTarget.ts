/**
 * Prepares the mount points of volumes and devices. Many mount points are in folders that tasks may write to.
 * So no symlink there is ever followed, and nothing is created outside of the task's own folders.
 */
import { closeSync, constants, fstatSync, mkdirSync, openSync, realpathSync } from "node:fs";
import { DriverError, errnoOf, type FailedCall } from "../../base/errors.ts";
import * as k from "../kernel/constants.ts";
import { tryOpenat2 } from "../kernel/libc.ts";
import type { IsVisible } from "../paths/hostPaths.ts";
import type { RootMode } from "./taskFolders.ts";

/**
 * The path of one of the task's own folders in its mount namespace, without symlinks. In a private root, the
 * folders are at the paths that the task's environment names. On the host these paths may lead through
 * symlinks.
 */
export function folderInTask(folder: string, root: RootMode): string {
  return root === "private" ? folder : realpathSync.native(folder);
}

export interface MountPlace {
  /** The path in the job, for errors. */
  readonly target: string;
  /** A folder that no task can replace. Symlinks in its path are followed. */
  readonly anchor: string;
  /** The path below the anchor. */
  readonly rest: string;
  /** Where the mount point is. A missing mount point is created only in the task's own folders. */
  readonly within: "task" | "volume" | "host";
}

/**
 * Checks a mount point. Creates it if it is missing in the task's own folders.
 * @param isVisible whether the task's user can see a path of the host
 * @throws DriverError `MOUNT_TARGET_INVALID`
 */
export function prepareTarget(place: MountPlace, isFolder: boolean, isVisible: IsVisible): void {
  if (place.within === "host" && !isVisible(place.target)) throw unreachable(place, "ENOENT");
  using opened = new DisposableStack();
  const anchor = opened.adopt(open(place, k.AT_FDCWD, place.anchor, k.RESOLVE_NO_MAGICLINKS), closeSync);
  if (place.within === "task") make(place, anchor, isFolder);
  const target = opened.adopt(open(place, anchor, place.rest, BELOW), closeSync);
  if (fstatSync(target).isDirectory() === isFolder) return;
  const kind = isFolder
    ? "file, but the volume is a folder"
    : "folder, but the source of the mount is a file";
  throw invalid(place, `is a ${kind}`, "Name a destination of the same kind");
}

const BELOW = k.RESOLVE_NO_SYMLINKS | k.RESOLVE_BENEATH;

function open(place: MountPlace, folder: number, path: string, resolve: number): number {
  const opened = tryOpenat2(folder, path, { flags: k.O_PATH, resolve });
  if (typeof opened === "number") return opened;
  throw unreachable(place, opened.errno);
}

/**
 * Creates each name relative to a folder's descriptor, so that no task can redirect the next name. Root owns
 * the created files and folders, and the mount hides the last name.
 */
function make(place: MountPlace, anchor: number, isFolder: boolean): void {
  using opened = new DisposableStack();
  let folder = anchor;
  const names = place.rest.split("/");
  const last = names.pop() as string;
  for (const name of names) {
    makeOne(place, () => mkdirSync(`/proc/self/fd/${folder}/${name}`, 0o755));
    folder = opened.adopt(open(place, folder, name, BELOW), closeSync);
  }
  const path = `/proc/self/fd/${folder}/${last}`;
  const { O_CREAT, O_EXCL, O_WRONLY } = constants;
  makeOne(place, () =>
    isFolder ? mkdirSync(path, 0o755) : closeSync(openSync(path, O_CREAT | O_EXCL | O_WRONLY, 0o644)),
  );
}

/** Creates one name. Its mode does not depend on the agent's umask. An existing name is no error. */
function makeOne(place: MountPlace, work: () => void): void {
  const before = process.umask(0o022);
  try {
    work();
  } catch (thrown) {
    const errno = errnoOf(thrown) ?? String(thrown);
    if (errno === "EEXIST") return;
    throw invalid(place, "cannot be created", "Check the file system of the task's folder", {
      call: "mkdir",
      errno,
    });
  } finally {
    process.umask(before);
  }
}

function unreachable(place: MountPlace, errno: string): DriverError {
  const failed = { call: "openat2", errno };
  if (errno === "ENOENT") return invalid(place, "does not exist", hintForMissing[place.within], failed);
  if (errno === "ELOOP" || errno === "EXDEV") {
    return invalid(place, "leads through a symlink", "Name the path that it leads to", failed);
  }
  return invalid(place, "cannot be reached", "Choose another destination", failed);
}

const hintForMissing: Readonly<Record<MountPlace["within"], string>> = {
  task: "The agent created the task's folders, but they have been removed",
  volume: "It lies in another volume: create it there",
  host: "Create it: the driver creates nothing outside of the task's folder. Or choose a destination below local/",
};

function invalid(
  { target: path }: MountPlace,
  problem: string,
  hint: string,
  failed?: FailedCall,
): DriverError {
  return new DriverError("MOUNT_TARGET_INVALID", `the mount destination ${path} ${problem}`, {
    hint,
    ...(failed === undefined ? {} : { failed: { ...failed, path } }),
  });
}
