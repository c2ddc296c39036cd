/**
 * The state folder: the event log, the files of runs, and a lock that names the folder's owner. Only root may
 * have access, because the folder's content decides what runs as root.
 *
 * The lock is flock(2) on a file in the folder. The kernel releases the lock when the process ends, however
 * it ends. A socket in the abstract namespace would need no file. But anyone on the host could bind the
 * socket's name first, and a plugin in another network namespace would not see the socket.
 */
import { createHash, randomBytes } from "node:crypto";
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readFileSync,
  realpathSync,
  statfsSync,
  statSync,
  writeSync,
} from "node:fs";
import { chmod } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { DriverError, errnoOf } from "../../base/errors.ts";
import { plainTaskId, type TaskId, toTaskId } from "../../base/taskId.ts";
import { CGROUP2_SUPER_MAGIC, PROC_SUPER_MAGIC, SYSFS_MAGIC } from "../../effects/kernel/constants.ts";
import { tryFlock } from "../../effects/kernel/libc.ts";
import { makeFolder, nearestFolder } from "./files.ts";
import { markStateFolder } from "./stateMark.ts";

export interface StateFolderPaths {
  readonly path: string;
  /** The event log. */
  readonly events: string;
  /** Contains one folder for each run. */
  readonly run: string;
  readonly lock: string;
}

/** A state folder that this process owns. */
export interface StateFolder extends StateFolderPaths {
  /**
   * Path of a folder for the files of a start of a task, directly below `run`. Does not create it. Each call gives
   * another one: an init of an earlier start may open its files only after the start is repeated, and must not
   * find those of the new start.
   */
  newRunFolder(taskId: TaskId): string;
  /** Releases the folder. */
  close(): Promise<void>;
}

/** Paths in a state folder. */
export function stateFolderPaths(path: string): StateFolderPaths {
  return { path, events: join(path, "events"), run: join(path, "run"), lock: join(path, "lock") };
}

/** Whether a state folder belongs to a local run, and not to an agent. */
export function isLocal(stateFolder: string): boolean {
  return basename(dirname(stateFolder)) === "local";
}

/**
 * Creates the folder (0700) if it is missing, and locks it for this process.
 * @throws DriverError `STATE_DIR_UNUSABLE` if it cannot be created, or another user could change it
 * @throws DriverError `STATE_DIR_IN_USE`, naming the owner's pid, if another process owns it; changes nothing
 */
export async function openStateFolder(path: string): Promise<StateFolder> {
  const paths = stateFolderPaths(resolve(path));
  let lock: number | undefined;
  try {
    refuseKernelFolder(paths.path);
    const around = isLocal(paths.path) ? dirname(dirname(paths.path)) : undefined;
    const makesAround = around !== undefined && !existsSync(around);
    makeFolder(paths.path, 0o700);
    if (makesAround) markStateFolder(around);
    checkPath(paths.path);
    lock = openLock(paths.lock);
    if (!tryFlock(lock)) throw inUse(paths.lock, paths.path);
    ftruncateSync(lock);
    writeSync(lock, `${process.pid}\n`, 0);
    // A person may have created the folder by hand, with the usual mode.
    await chmod(paths.path, 0o700);
    for (const folder of [paths.events, paths.run]) {
      makeFolder(folder, 0o700);
      checkTrusted(folder);
    }
    markStateFolder(paths.path);
  } catch (thrown) {
    if (lock !== undefined) closeSync(lock);
    throw unusable(thrown, paths.path);
  }
  return {
    ...paths,
    newRunFolder: (taskId) =>
      join(paths.run, `${runFolderName(taskId)}${startMark}${randomBytes(4).toString("hex")}`),
    async close() {
      if (lock !== undefined) closeSync(lock);
      lock = undefined;
    },
  };
}

/**
 * Checks a state folder before anyone uses or creates it. Changes nothing, and does not look at the lock. A
 * missing parent folder is an error, because the path is then most likely mistyped.
 * @throws DriverError `STATE_DIR_UNUSABLE`
 */
export function checkStateFolder(path: string): void {
  const folder = resolve(path);
  try {
    const existing = statSync(folder, { throwIfNoEntry: false });
    const nearest = existing ? folder : dirname(folder);
    const status = existing ?? statSync(nearest);
    if (!status.isDirectory()) throw noFolder(folder, nearest);
    refuseKernelFolder(folder);
    checkPath(nearest);
    accessSync(nearest, constants.W_OK | constants.X_OK);
  } catch (thrown) {
    throw unusable(thrown, folder);
  }
}

/** @throws DriverError `STATE_DIR_UNUSABLE` for a folder on a file system that stores no files */
function refuseKernelFolder(folder: string): void {
  const nearest = nearestFolder(folder);
  if (kernelFileSystems.has(statfsSync(nearest).type)) throw storesNoFiles(folder, nearest);
}

/** File systems that store no files, although the modes of their folders let root write. */
const kernelFileSystems: ReadonlySet<number> = new Set([CGROUP2_SUPER_MAGIC, PROC_SUPER_MAGIC, SYSFS_MAGIC]);

/** Begins the part of a folder's name that differs between the starts of a task: 8 hex digits. */
const startMark = "+";

/** The name of a run's folder without the part that differs between the starts of a task. */
export function withoutStart(name: string): string {
  return name.replace(/\+[0-9a-f]{8}$/, "");
}

/**
 * The name of the folder of a task's run, without the mark of its start. Task ids in Nomad's form stay readable,
 * and no two ids share a name.
 */
export function runFolderName(taskId: TaskId): string {
  // The allocation id and the digits at the end contain no underscore, so the name can be parsed again.
  if (plainTaskId.test(taskId)) return taskId.replaceAll("/", "_");
  const readable = taskId.replaceAll(/[^A-Za-z0-9._-]+/g, "_").slice(0, 64);
  return `${readable}~${createHash("sha256").update(taskId).digest("hex")}`;
}

/** Whether the name is that of a run's folder, with a hash in place of the task's id. */
export function isHashedRunFolder(name: string): boolean {
  return /~[0-9a-f]{64}$/.test(withoutStart(name));
}

/** The id of the task whose run has a folder of that name; undefined if the name does not contain the id. */
export function taskOfRunFolder(name: string): TaskId | undefined {
  const base = withoutStart(name);
  const [, allocId, task, run] = /^([^_]+)_(.+)_([^_]+)$/.exec(base) ?? [];
  const taskId = toTaskId(`${allocId}/${task}/${run}`);
  return plainTaskId.test(taskId) && runFolderName(taskId) === base ? taskId : undefined;
}

/**
 * Whether the name is that of a run's folder. The spare folders that a plugin prepares for later runs have
 * other names.
 */
export function isRunFolder(name: string): boolean {
  return isHashedRunFolder(name) || taskOfRunFolder(name) !== undefined;
}

/** Checks a folder's path as written, and with its links resolved. */
function checkPath(folder: string): void {
  for (const each of new Set([folder, realpathSync(folder)])) checkTrusted(each);
}

/** Only root and this user may own the folder and its parents, or be able to replace them. */
function checkTrusted(folder: string): void {
  const { uid, mode } = lstatSync(folder);
  const others = (mode & 0o022) !== 0;
  if (uid !== 0 && uid !== process.geteuid?.()) throw untrusted(folder, `user ${uid} owns it`);
  // Links have no mode of their own. In a sticky folder such as /tmp nobody can replace another user's files.
  const link = (mode & constants.S_IFMT) === constants.S_IFLNK;
  if (others && !link && (mode & 0o1000) === 0)
    throw untrusted(folder, "users other than its owner may write to it");
  if (dirname(folder) !== folder) checkTrusted(dirname(folder));
}

/**
 * Locks an existing state folder, so that no plugin can use it. Changes nothing.
 * @returns undefined if a plugin owns the folder
 * @throws the file system's error
 */
export function lockStateFolder(path: string): Disposable | undefined {
  using undo = new DisposableStack();
  try {
    const lock = undo.adopt(openLock(stateFolderPaths(path).lock, 0), closeSync);
    if (!tryFlock(lock)) return undefined;
  } catch (thrown) {
    // No plugin has ever used the folder.
    if (errnoOf(thrown) !== "ENOENT") throw thrown;
  }
  return undo.move();
}

function openLock(path: string, flags = constants.O_CREAT): number {
  return openSync(path, constants.O_RDWR | constants.O_NOFOLLOW | flags, 0o600);
}

const NO_FOLDER = "Its path is not a folder: move the file away, or choose another state_dir";
const NO_ACCESS =
  "Let root write there (modes, attributes, mount options, a security module), or choose another state_dir";
const NO_ROOM = "Free space on its file system, or choose another state_dir";

const HINTS: Readonly<Record<string, string>> = {
  EEXIST: NO_FOLDER,
  ENOTDIR: NO_FOLDER,
  EISDIR: NO_FOLDER,
  ELOOP: "Remove the link that is in its place",
  ENOENT: "Create its parent folder, or correct state_dir",
  EACCES: NO_ACCESS,
  EPERM: NO_ACCESS,
  EROFS: "Mount its file system read-write, or choose another state_dir",
  ENOSPC: NO_ROOM,
  EDQUOT: NO_ROOM,
  EIO: "Its disk has errors: check the kernel's log",
};

function unusable(thrown: unknown, folder: string): DriverError {
  const hint = HINTS[errnoOf(thrown) ?? ""] ?? "Choose another state_dir, or repair this one";
  return DriverError.from(thrown, "STATE_DIR_UNUSABLE", `the state folder ${folder} cannot be used`, {
    hint,
  });
}

function noFolder(folder: string, found: string): DriverError {
  return new DriverError(
    "STATE_DIR_UNUSABLE",
    `the state folder ${folder} cannot be used: ${found} is not a folder`,
    {
      hint: NO_FOLDER,
    },
  );
}

function storesNoFiles(folder: string, nearest: string): DriverError {
  return new DriverError(
    "STATE_DIR_UNUSABLE",
    `the state folder ${folder} cannot be used: ${nearest} is on a kernel file system, which stores no files`,
    { hint: "Choose another state_dir" },
  );
}

function untrusted(folder: string, why: string): DriverError {
  return new DriverError("STATE_DIR_UNUSABLE", `the state folder cannot be trusted: ${folder}: ${why}`, {
    hint: "Choose another state_dir, or give this one to root, with mode 0700",
  });
}

function inUse(lock: string, folder: string): DriverError {
  const pid = readFileSync(lock, "utf8").trim();
  const owner = pid === "" ? "another process" : `process ${pid}`;
  return new DriverError("STATE_DIR_IN_USE", `${owner} owns the state folder ${folder}`, {
    hint: "End that process, or choose another state_dir",
  });
}
