/** The task's own folders on the host: checks that they are the task's, and where the task sees them. */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  realpathSync,
  type Stats,
} from "node:fs";
import { DriverError } from "../../base/errors.ts";
import { isTaskName } from "../../base/taskId.ts";
import { O_PATH } from "../kernel/constants.ts";
import { follow } from "../paths/followPath.ts";
import { lookAt } from "../paths/hostPaths.ts";
import type { RootMode, TaskFolders } from "./layout.ts";

/**
 * A task may read, write and execute everything in its folders. A job's `env` block can set the variables
 * that name them: `NOMAD_TASK_DIR = "/etc"` would give the task `/etc`. The allocation's folder, however,
 * comes from the agent itself. The task's folders are bind mounts of folders in the allocation's folder. So
 * each must be the same folder (device and inode) as its original.
 * @throws DriverError `CONFIG_INVALID`
 */
export function checkTaskFolders(
  folders: TaskFolders,
  { allocDir, taskName }: { readonly allocDir: string; readonly taskName: string },
): void {
  // Nomad forbids only slashes. A task named ".." would have its folders beside all allocations' folders.
  if (!isTaskName(taskName)) {
    const summary = `a task may not be named ${JSON.stringify(taskName)}: its folder would not be its own`;
    throw new DriverError("CONFIG_INVALID", summary, { hint: "Give the task another name" });
  }
  const own = `${allocDir}/${taskName}`;
  const originals = [
    ["NOMAD_TASK_DIR", folders.taskDir, `${own}/local`],
    ["NOMAD_ALLOC_DIR", folders.allocDir, `${allocDir}/alloc`],
    ["NOMAD_SECRETS_DIR", folders.secretsDir, `${own}/secrets`],
    ["the folder beside NOMAD_TASK_DIR", folders.tmpDir, `${own}/tmp`],
  ] as const;
  for (const [name, path, original] of originals) checkSame(name, path, original);
}

function checkSame(name: string, path: string, original: string): void {
  const expected = originalOf(name, original);
  const actual = openedFolder(path);
  const isSame = actual?.status.dev === expected.dev && actual.status.ino === expected.ino;
  if (isSame && (actual.realPath === path || leadsByRoot(path, actual.realPath))) return;
  // A missing path gets the same error, so that a job cannot learn which paths exist.
  throw new DriverError("CONFIG_INVALID", `${name} (${path}) is not the task's own folder ${original}`, {
    hint: "The Nomad agent sets the variable: remove it from the job's env block",
  });
}

interface OpenedFolder {
  readonly status: Stats;
  /** Without symlinks. */
  readonly realPath: string;
}

/** Undefined for anything but a folder, such as a symlink at the end. */
function openedFolder(path: string): OpenedFolder | undefined {
  try {
    const folder = openSync(path, O_PATH | constants.O_NOFOLLOW | constants.O_DIRECTORY);
    try {
      return { status: fstatSync(folder), realPath: readlinkSync(`/proc/self/fd/${folder}`) };
    } finally {
      closeSync(folder);
    }
  } catch {
    return undefined;
  }
}

/**
 * Whether all symlinks on the way are root's. Any other owner may turn a symlink to another allocation's folder
 * after this check, and the folder is mounted by its path.
 */
function leadsByRoot(path: string, realPath: string): boolean {
  const walk = follow(path, lookAt);
  return walk?.end?.path === realPath && walk.links.every((link) => statusOf(link.path)?.uid === 0);
}

function originalOf(name: string, original: string): Stats {
  const status = statusOf(original);
  if (status?.isDirectory()) return status;
  if (status !== undefined) throw new DriverError("CONFIG_INVALID", `${name} (${original}) is not a folder`);
  throw new DriverError("CONFIG_INVALID", `${name} cannot be found`, {
    failed: { call: "lstat", path: original, errno: "ENOENT" },
  });
}

/** Does not follow a symlink. Undefined for a path that cannot be reached. */
function statusOf(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

/**
 * The path of one of the task's own folders in its mount namespace, without symlinks. In a private root, the
 * folders are at the paths that the task's environment names. On the host these paths may lead through
 * symlinks.
 */
export function folderInTask(folder: string, root: RootMode): string {
  return root === "private" ? folder : realpathSync.native(folder);
}
