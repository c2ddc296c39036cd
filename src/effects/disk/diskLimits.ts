/**
 * Limits on what tasks write to their own folders: each task has a project (a project quota) for its folders `local`
 * and `tmp`, and each allocation has one for its shared folder, without the log files.
 *
 * A project and its limit stay until nothing belongs to it any more, since others may go on to write to a file of an
 * ended task: it may have handed an open one to a neighbour. So a project is free once no task has it and nothing
 * belongs to it, neither a file nor one that is removed and still open.
 */
import { closeSync, constants, fstatSync, openSync, readdirSync, statfsSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { DriverError } from "../../base/errors.ts";
import {
  AT_FDCWD,
  O_PATH,
  RESOLVE_BENEATH,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
  RESOLVE_NO_XDEV,
} from "../kernel/constants.ts";
import { kernelError } from "../kernel/kernelError.ts";
import { tryOpenat2 } from "../kernel/libc.ts";
import type { LimitedFolders } from "./diskFill.ts";
import { remedyFor } from "./diskRemedy.ts";
import {
  enforcementAt,
  limitProject,
  nextUsage,
  type ProjectUsage,
  readUsage,
  tryReadProject,
  trySetProject,
} from "./projectQuota.ts";

/** The folders of a task that is to be limited. */
export interface LimitedTask {
  readonly taskId: string;
  readonly taskName: string;
  /** The allocation's private folder. */
  readonly allocDir: string;
}

/** As the event `sandboxed` records it. */
export interface DiskLimit {
  readonly limitBytes: number;
  /** The project of the task's own folders. */
  readonly project: number;
  /** The project of the allocation's shared folder. */
  readonly sharedProject: number;
}

/** Projects that one plugin may use. */
export interface ProjectRange {
  readonly first: number;
  readonly count: number;
}

/**
 * A file takes at least a block of 4 KiB, unless it is empty. So this limit is only reached by empty files, which
 * would otherwise use up the inodes of the file system.
 */
const bytesPerFile = 4096;
const minFiles = 1024;

/** Folders nested deeper than this are refused, because the walk keeps each folder on its way open. */
const maxDepth = 512;

/** After this many files the walk lets other work go on. */
const filesPerTurn = 200;

/** After this many ends the limits of empty projects are taken off. */
const endsPerSweep = 32;

const sharedFolder = "alloc";
/** The only folder in it that a later allocation may get (a sticky disk). */
const sharedData = "alloc/data";
/** Log files have limits of their own. */
const logFolder = "logs";

export class DiskLimits {
  readonly #range: ProjectRange;
  /** The living tasks of each project. */
  readonly #holders = new Map<number, Set<string>>();
  /** The last claim of each allocation: its tasks share a folder, and only one of them may give it its project. */
  readonly #claims = new Map<string, Promise<unknown>>();
  #last = -1;
  #ends = 0;

  constructor(range: ProjectRange) {
    this.#range = range;
  }

  /**
   * Limits the task's folders. What is in them already counts from then on.
   * @param limitBytes for its own folders; the shared folder gets the largest limit of the allocation's tasks
   * @throws DriverError `DISK_LIMIT_UNAVAILABLE` if the file system has no project quotas
   */
  async claim(task: LimitedTask, limitBytes: number): Promise<DiskLimit> {
    const before = this.#claims.get(task.allocDir) ?? Promise.resolve();
    const claimed = before.catch(() => undefined).then(() => this.#claim(task, limitBytes));
    this.#claims.set(task.allocDir, claimed);
    try {
      return await claimed;
    } finally {
      if (this.#claims.get(task.allocDir) === claimed) this.#claims.delete(task.allocDir);
    }
  }

  async #claim(task: LimitedTask, limitBytes: number): Promise<DiskLimit> {
    using opened = openFolders(task);
    const { local, tmp, shared } = opened;
    checkEnforced(local, task);
    const { taskId } = task;
    const own = taskId.slice(0, taskId.lastIndexOf("/") + 1);
    const allocation = taskId.slice(0, taskId.indexOf("/") + 1);
    const project = this.#projectOf(local, own);
    this.#hold(project, taskId);
    const sharedProject = this.#projectOf(shared, allocation);
    this.#hold(sharedProject, taskId);
    const limit = { limitBytes, project, sharedProject };
    try {
      // Limits come first, because a folder that has its project already may be written to.
      limitProject(local, project, limitsOf(limitBytes));
      limitProject(shared, sharedProject, limitsOf(this.#sharedLimit(shared, limit)));
      await giveProject(local, project);
      await giveProject(tmp, project);
      await giveProject(shared, sharedProject, new Set([logFolder]));
      return limit;
    } catch (thrown) {
      this.#letGo(taskId, limit);
      throw thrown;
    }
  }

  /** The largest limit of the tasks that share the folder. */
  #sharedLimit(shared: number, { limitBytes, sharedProject }: DiskLimit): number {
    const others = (this.#holders.get(sharedProject)?.size ?? 0) - 1;
    return others > 0 ? Math.max(limitBytes, readUsage(shared, sharedProject).limitBytes) : limitBytes;
  }

  /** To be called for each living task of an earlier plugin. */
  hold(taskId: string, { project, sharedProject }: DiskLimit): void {
    this.#hold(project, taskId);
    this.#hold(sharedProject, taskId);
  }

  /**
   * To be called when the task's run is over. Its limits stay as they are.
   * @throws DriverError if empty projects cannot be looked for
   */
  release({ taskId, allocDir }: LimitedTask, limit: DiskLimit): void {
    this.#letGo(taskId, limit);
    this.#ends += 1;
    if (this.#ends % endsPerSweep === 0) this.sweep(allocDir);
  }

  #letGo(taskId: string, { project, sharedProject }: DiskLimit): void {
    for (const id of [project, sharedProject]) {
      const holders = this.#holders.get(id);
      holders?.delete(taskId);
      if (holders?.size === 0) this.#holders.delete(id);
    }
  }

  /**
   * Takes off what earlier runs have left on the folders of a task that is to run without a limit. A limit that a
   * living task has stays.
   * @throws DriverError `KERNEL_CALL_FAILED`
   */
  lift({ taskName, allocDir }: LimitedTask): void {
    using undo = new DisposableStack();
    const allocation = undo.adopt(openAllocation(allocDir), closeSync);
    for (const path of [`${taskName}/local`, `${taskName}/tmp`, sharedFolder, sharedData]) {
      const opened = tryOpenBelow(allocation, path);
      // The job may have removed the folder in the shared one.
      if (typeof opened !== "number") continue;
      undo.adopt(opened, closeSync);
      const current = tryReadProject(opened);
      if ("errno" in current || !this.#isOurs(current.id) || this.#holders.has(current.id)) continue;
      limitProject(opened, current.id, noLimits);
    }
  }

  /**
   * Takes the limits off all projects of the range to which nothing belongs any more, so that the file system forgets
   * them.
   * @param path a folder of the file system, or below a folder of it
   */
  sweep(path: string): void {
    using folder = openNearest(path);
    const { first, count } = this.#range;
    for (let from = first; from < first + count; ) {
      const found = nextUsage(folder.descriptor, from);
      if (found === undefined || found.id >= first + count) return;
      if (isEmpty(found) && !this.#holders.has(found.id)) limitProject(folder.descriptor, found.id, noLimits);
      from = found.id + 1;
    }
  }

  #hold(project: number, taskId: string): void {
    const holders = this.#holders.get(project) ?? new Set();
    this.#holders.set(project, holders.add(taskId));
  }

  /**
   * The folder's project of an earlier run, or a free one.
   * @param owner beginning of the ids of all tasks that may share the project
   */
  #projectOf(folder: number, owner: string): number {
    const current = tryReadProject(folder);
    if ("errno" in current) throw kernelError("ioctl FS_IOC_FSGETXATTR", current.errno);
    const isOurs = current.inherits && this.#isOurs(current.id);
    const holders = [...(this.#holders.get(current.id) ?? [])];
    // Another holder's project may be on a folder that came from elsewhere, as with a sticky disk.
    if (isOurs && holders.every((taskId) => taskId.startsWith(owner))) return current.id;
    const { first, count } = this.#range;
    for (let tried = 0; tried < count; tried += 1) {
      this.#last = (this.#last + 1) % count;
      const id = first + this.#last;
      if (!this.#holders.has(id) && isEmpty(readUsage(folder, id))) return id;
    }
    throw new DriverError("DISK_LIMIT_UNAVAILABLE", "all project ids of this plugin are in use", {
      hint: "Remove folders of allocations that no agent knows any more",
    });
  }

  #isOurs(project: number): boolean {
    return project >= this.#range.first && project < this.#range.first + this.#range.count;
  }
}

const noLimits = { limitBytes: 0, limitFiles: 0 };

function isEmpty({ files, bytes }: ProjectUsage): boolean {
  return files === 0 && bytes === 0;
}

function limitsOf(limitBytes: number) {
  return { limitBytes, limitFiles: Math.max(minFiles, Math.ceil(limitBytes / bytesPerFile)) };
}

/** What the folders with a task's limits use. */
export type DiskUsage = Readonly<Record<LimitedFolders, ProjectUsage>>;

/** Undefined if it cannot be read, for example because the folders are gone. */
export function usageOf(allocDir: string, { project, sharedProject }: DiskLimit): DiskUsage | undefined {
  try {
    using folder = openNearest(allocDir);
    const { descriptor } = folder;
    return { own: readUsage(descriptor, project), shared: readUsage(descriptor, sharedProject) };
  } catch {
    return undefined;
  }
}

interface OpenedFolders extends Disposable {
  readonly local: number;
  readonly tmp: number;
  readonly shared: number;
}

/** The task may own a folder on the way, but none of them is replaced by a link or a mount. */
function openFolders({ allocDir, taskName }: LimitedTask): OpenedFolders {
  using undo = new DisposableStack();
  const allocation = undo.adopt(openAllocation(allocDir), closeSync);
  const folder = (path: string) => {
    const opened = tryOpenBelow(allocation, path);
    if (typeof opened === "number") return undo.adopt(opened, closeSync);
    throw kernelError("openat2", opened.errno, `${allocDir}/${path}`);
  };
  const [local, tmp, shared] = [folder(`${taskName}/local`), folder(`${taskName}/tmp`), folder(sharedFolder)];
  const opened = undo.move();
  return { local, tmp, shared, [Symbol.dispose]: () => opened[Symbol.dispose]() };
}

/** Only to open what is in it. @throws DriverError `KERNEL_CALL_FAILED` */
function openAllocation(allocDir: string): number {
  const flags = O_PATH | constants.O_DIRECTORY;
  const opened = tryOpenat2(AT_FDCWD, allocDir, { flags, resolve: RESOLVE_NO_MAGICLINKS });
  if (typeof opened === "number") return opened;
  throw kernelError("openat2", opened.errno, allocDir);
}

/** Opens a folder of the allocation. */
function tryOpenBelow(allocation: number, path: string): number | { readonly errno: string } {
  return tryOpenat2(allocation, path, {
    flags: constants.O_RDONLY | constants.O_DIRECTORY,
    resolve: RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
  });
}

/** Opens the folder, or the nearest one around it that exists. */
function openNearest(path: string): Disposable & { readonly descriptor: number } {
  for (let folder = path; ; folder = folder.slice(0, folder.lastIndexOf("/")) || "/") {
    const opened = tryOpenat2(AT_FDCWD, folder, {
      flags: constants.O_RDONLY | constants.O_DIRECTORY,
      resolve: RESOLVE_NO_MAGICLINKS,
    });
    if (typeof opened === "number") return { descriptor: opened, [Symbol.dispose]: () => closeSync(opened) };
    if (folder === "/") throw kernelError("openat2", opened.errno, path);
  }
}

/** @throws DriverError `DISK_LIMIT_UNAVAILABLE` */
function checkEnforced(folder: number, { allocDir }: LimitedTask): void {
  const enforcement = enforcementAt(folder);
  if (enforcement === "enforced") return;
  const { type } = statfsSync(`/proc/self/fd/${folder}`);
  const { problem, remedy } = remedyFor(type, enforcement === "counted");
  throw new DriverError("DISK_LIMIT_UNAVAILABLE", `disk_limit needs project quotas: ${problem}`, {
    failed: {
      call: "quotactl_fd",
      path: allocDir,
      ...(enforcement !== "counted" && { errno: enforcement.errno }),
    },
    hint: `${remedy}. Or let tasks run without their limit: disk_limit_missing = "warn" in the plugin block`,
  });
}

/**
 * Gives a folder the project, and all that is in it. The folder itself comes last, so that a walk that was interrupted
 * is repeated.
 */
async function giveProject(
  folder: number,
  id: number,
  without: ReadonlySet<string> = new Set(),
): Promise<void> {
  const current = tryReadProject(folder);
  if (!("errno" in current) && current.id === id && current.inherits) return;
  const { dev } = fstatSync(folder);
  let files = 0;
  await walk(folder, 1, without);
  set(folder, true);

  /** Looks at each file before it opens it, since opening a FIFO or a device has effects. */
  async function walk(parent: number, depth: number, omitted: ReadonlySet<string>): Promise<void> {
    if (depth > maxDepth) throw tooDeep();
    const at = Buffer.from(`/proc/self/fd/${parent}/`);
    // Names need not be UTF-8.
    for (const name of readdirSync(`/proc/self/fd/${parent}`, { encoding: "buffer" })) {
      if (omitted.has(name.toString())) continue;
      files += 1;
      if (files % filesPerTurn === 0) await nextTurn();
      using opened = openPlain(Buffer.concat([at, name]));
      if (opened === undefined || opened.dev !== dev) continue;
      set(opened.descriptor, opened.isFolder);
      if (opened.isFolder) await walk(opened.descriptor, depth + 1, nothing);
    }
  }

  function set(descriptor: number, inherits: boolean): void {
    const errno = trySetProject(descriptor, id, inherits);
    if (errno !== undefined) throw kernelError("ioctl FS_IOC_FSSETXATTR", errno);
  }
}

const nothing: ReadonlySet<string> = new Set();

/** Undefined for links, devices and the like, which have no project and take no space, and for what is gone. */
function openPlain(
  path: Buffer,
):
  | (Disposable & { readonly descriptor: number; readonly dev: number; readonly isFolder: boolean })
  | undefined {
  using undo = new DisposableStack();
  const look = tryOpen(path, O_PATH | constants.O_NOFOLLOW);
  if (look === undefined) return undefined;
  undo.adopt(look, closeSync);
  const status = fstatSync(look);
  if (!status.isFile() && !status.isDirectory()) return undefined;
  const opened = tryOpen(Buffer.from(`/proc/self/fd/${look}`), constants.O_RDONLY | constants.O_NONBLOCK);
  if (opened === undefined) return undefined;
  const close = () => closeSync(opened);
  return { descriptor: opened, dev: status.dev, isFolder: status.isDirectory(), [Symbol.dispose]: close };
}

function tryOpen(path: Buffer, flags: number): number | undefined {
  try {
    return openSync(path, flags);
  } catch {
    return undefined;
  }
}

function tooDeep(): DriverError {
  return new DriverError(
    "DISK_LIMIT_UNAVAILABLE",
    `the task's files are in folders nested more than ${maxDepth} deep, which are not counted`,
    { hint: "Remove them, or run the task without disk_limit" },
  );
}
