/** Turns the mounts that a task requests into the mounts that the run's init makes. */

import { closeSync, fstatSync, readFileSync, readlinkSync, statfsSync } from "node:fs";
import { DriverError } from "../../base/errors.ts";
import {
  AT_FDCWD,
  O_PATH,
  PROC_SUPER_MAGIC,
  RESOLVE_BENEATH,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
} from "../kernel/constants.ts";
import { tryOpenat2 } from "../kernel/libc.ts";
import {
  hiddenSources,
  mountAround,
  type PlacedMount,
  type Propagation,
  type TaskFolders,
} from "../layout/layout.ts";
import { folderInTask } from "../layout/taskFolderCheck.ts";
import { mountIdOf } from "../paths/hostMounts.ts";
import type { IsVisible } from "../paths/hostPaths.ts";
import { realPathOf } from "../paths/hostPaths.ts";
import { receivesMounts } from "../paths/mountinfo.ts";
import { isAtOrBelow, isInProc } from "../paths/paths.ts";
import { TMP, type UnveilRules } from "../unveil/unveilRules.ts";
import { type MountPlace, prepareTarget } from "./mountTarget.ts";

/** A volume, a device, or a file or folder of the task's own to mount, with all mounts below its source. */
export interface LaunchMount {
  readonly kind: PlacedMount["kind"];
  readonly source: string;
  /** Must exist by the time of the mount. A target with a symlink in its path is refused. */
  readonly target: string;
  readonly isFolder: boolean;
  readonly readOnly: boolean;
  readonly propagation: Propagation;
  /** As in {@link PlacedMount}. */
  readonly isIdmapped?: true;
  /**
   * The copy of an idmapped volume's tree, which the plugin has opened: a path in the plugin's `/proc`, such as
   * `4711/fd/33`.
   */
  readonly tree?: string;
}

/** A path of the host whose content the task's mount namespace hides. */
export interface HiddenPath {
  readonly path: string;
  readonly isFolder: boolean;
}

export interface MountPoints {
  readonly mounts: readonly LaunchMount[];
  readonly hidden: readonly HiddenPath[];
}

/**
 * Checks sources and targets, and creates targets in the task's own folders.
 * @param placed sorted by target
 * @param isVisible whether the task's user can see a path of the host
 * @throws DriverError as `findSource` and `prepareTarget` do
 */
export function prepareMounts(
  placed: readonly PlacedMount[],
  folders: TaskFolders,
  { entries, privateTmp, tmpInMemory, root }: UnveilRules,
  isVisible: IsVisible,
): MountPoints {
  if (placed.length === 0) return { mounts: [], hidden: [] };
  const made: MadeMount[] = [];
  const volumes = new Map<string, boolean>();
  for (const mount of placed) {
    const { kind, target, readOnly, propagation, isIdmapped } = mount;
    const source = mount.own === undefined ? findSource(mount) : findOwn(mount, mount.own);
    if (kind === "volume") volumes.set(source.path, source.isFolder);
    // A device at its own path needs no mount.
    else if (kind === "device" && mount.source === target) continue;
    const isInMemory = tmpInMemory && mountAround(target, made) === undefined && isAtOrBelow(target, TMP);
    const { place, pathInTask } = isInMemory
      ? inMemory(target)
      : placeOf(target, made, folders, { privateTmp, root });
    // In a private root the template provides the mount point, unless the mount point is below an unveiled
    // path of the host.
    const isHosts =
      root === "host" || entries.some(({ path, inRootDir }) => !inRootDir && isAtOrBelow(target, path));
    if (!isInMemory && (place.within !== "host" || isHosts)) prepareTarget(place, source.isFolder, isVisible);
    const { path, isFolder } = source;
    const common = { kind, source: path, target: pathInTask, readOnly, propagation, isFolder };
    made.push({ target, mount: { ...common, ...(isIdmapped && { isIdmapped }) } });
  }
  const mounts = made.map(({ mount }) => mount);
  // A private root contains no source, unless the source itself is unveiled.
  if (root === "private") return { mounts, hidden: [] };
  const own = Object.values<string>({ ...folders });
  const unveiled = entries.filter(({ sources }) => !sources.includes("volume")).map(({ path }) => path);
  const reachable = [...own, ...unveiled, ...(privateTmp ? [TMP] : [])].flatMap(
    // No task can reach a missing path.
    (path) => realPathOf(path) ?? [],
  );
  const hidden = hiddenSources([...volumes.keys()], [...reachable, ...mounts.map(({ target }) => target)]);
  return { mounts, hidden: hidden.map((path) => ({ path, isFolder: volumes.get(path) === true })) };
}

interface MadeMount {
  /** The target's path as the job names it. */
  readonly target: string;
  readonly mount: LaunchMount;
}

interface PlaceInTask {
  readonly place: MountPlace;
  /** The path of the mount point in the task, without symlinks. */
  readonly pathInTask: string;
}

function placeOf(
  target: string,
  made: readonly MadeMount[],
  folders: TaskFolders,
  rules: Pick<UnveilRules, "privateTmp" | "root">,
): PlaceInTask {
  const outer = mountAround(target, made);
  if (outer !== undefined) {
    const rest = below(outer.target);
    const { source: anchor, target: outerPath } = outer.mount;
    return { place: { target, anchor, rest, within: "volume" }, pathInTask: `${outerPath}/${rest}` };
  }
  // The task's /tmp is its own tmp folder.
  if (rules.privateTmp && target !== TMP && isAtOrBelow(target, TMP)) {
    const { place } = placeOf(`${folders.tmpDir}/${below(TMP)}`, made, folders, {
      ...rules,
      privateTmp: false,
    });
    return { place: { ...place, target }, pathInTask: target };
  }
  const anchor = [folders.rootDir, folders.allocDir].find((folder) => isAtOrBelow(target, folder));
  if (anchor === undefined) {
    return { place: { target, anchor: "/", rest: below(""), within: "host" }, pathInTask: target };
  }
  const rest = below(anchor);
  const pathInTask = `${folderInTask(anchor, rules.root)}/${rest}`;
  return { place: { target, anchor, rest, within: "task" }, pathInTask };

  function below(folder: string): string {
    return target.slice(folder.length + 1);
  }
}

/** Init makes the mount point, once it has mounted the task's `/tmp`. */
function inMemory(target: string): PlaceInTask {
  if (target !== TMP) return { place: { target, anchor: TMP, rest: "", within: "host" }, pathInTask: target };
  const summary = "tmp_size gives the task a /tmp in memory, and a volume_mount has the destination /tmp";
  throw new DriverError("CONFIG_INVALID", summary, {
    option: "tmp_size",
    hint: "Leave out one of the two, or mount the volume below /tmp",
  });
}

interface MountSource {
  /** Without symlinks. */
  readonly path: string;
  readonly isFolder: boolean;
}

/**
 * Checks a mount's source. Follows symlinks in its path, because the operator or a device plugin chose it.
 * @throws DriverError `MOUNT_SOURCE_MISSING`, recoverable
 * @throws DriverError `MOUNT_SOURCE_INVALID` for a device mount whose source is not a device, for a path in the
 *   host's /proc, and for `host-to-task` propagation from a mount that does not propagate
 */
function findSource(mount: PlacedMount): MountSource {
  const opened = tryOpenat2(AT_FDCWD, mount.source, { flags: O_PATH, resolve: RESOLVE_NO_MAGICLINKS });
  if (typeof opened !== "number") throw missing(mount, opened.errno);
  try {
    const status = fstatSync(opened);
    const path = readlinkSync(`/proc/self/fd/${opened}`);
    if (isInProc(path) || isProc(opened)) {
      throw invalid(mount, "is in the host's /proc", "A task has its own /proc: unveil what it needs there");
    }
    if (mount.kind === "device" && !status.isCharacterDevice() && !status.isBlockDevice()) {
      throw invalid(mount, "is not a device", "A device plugin has to name a character or block device");
    }
    if (mount.propagation === "host-to-task") checkPropagation(mount, opened);
    return { path, isFolder: status.isDirectory() };
  } finally {
    closeSync(opened);
  }
}

/**
 * Checks a source of the task's own, in whose path tasks may put symlinks: none is followed.
 * @throws DriverError `MOUNT_SOURCE_MISSING`, recoverable
 * @throws DriverError `MOUNT_SOURCE_INVALID` for a path that leads through a symlink, and for anything but a file or
 *   a folder
 */
function findOwn(mount: PlacedMount, { anchor, rest }: NonNullable<PlacedMount["own"]>): MountSource {
  using opened = new DisposableStack();
  const open = (folder: number, path: string, resolve: number) => {
    const descriptor = tryOpenat2(folder, path, { flags: O_PATH, resolve });
    if (typeof descriptor === "number") return opened.adopt(descriptor, closeSync);
    if (descriptor.errno !== "ELOOP" && descriptor.errno !== "EXDEV") throw missing(mount, descriptor.errno);
    throw invalid(mount, "leads through a symlink", "Name the file or folder to which it leads");
  };
  const folder = open(AT_FDCWD, anchor, RESOLVE_NO_MAGICLINKS);
  const source = open(folder, rest || ".", RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
  const status = fstatSync(source);
  if (!status.isDirectory() && !status.isFile())
    throw invalid(mount, "is neither a file nor a folder", "Mount the folder that it is in");
  return { path: readlinkSync(`/proc/self/fd/${source}`), isFolder: status.isDirectory() };
}

/** Checks the file system's type, because the host's /proc may be mounted at other paths, too. */
function isProc(descriptor: number): boolean {
  return statfsSync(`/proc/self/fd/${descriptor}`).type === PROC_SUPER_MAGIC;
}

function checkPropagation(mount: PlacedMount, descriptor: number): void {
  if (receivesMounts(readFileSync("/proc/self/mountinfo", "utf8"), mountIdOf(descriptor))) return;
  throw invalid(
    mount,
    "lies on a mount of the host that is private, so nothing mounted there later can reach the task",
    "Make that mount shared (mount --make-rshared), or ask for propagation_mode private",
  );
}

function missing({ kind, source, target }: PlacedMount, errno: string): DriverError {
  return new DriverError("MOUNT_SOURCE_MISSING", `the source of the ${kind} at ${target} does not exist`, {
    failed: { call: "openat2", path: source, errno },
    ...(kind === "mount" && { option: "mount" }),
    hint:
      kind === "mount"
        ? "A template, an artifact or an earlier task of the group has to make it before the task starts"
        : "It has to exist on the host before the task starts",
    recoverable: true,
  });
}

function invalid({ kind, source, target }: PlacedMount, problem: string, hint: string): DriverError {
  return new DriverError(
    "MOUNT_SOURCE_INVALID",
    `${source}, the source of the ${kind} at ${target}, ${problem}`,
    {
      hint,
    },
  );
}
