/**
 * A task's cgroup: checks the folder that the agent created for the task, writes the planned limits, and
 * reads the kernel's counters.
 */

import {
  closeSync,
  constants,
  type FSWatcher,
  openSync,
  readdirSync,
  realpathSync,
  statfsSync,
  statSync,
  watch,
  writeSync,
} from "node:fs";
import { dirname, isAbsolute, normalize } from "node:path";
import { DriverError, errnoOf } from "../../base/errors.ts";
import { CGROUP2_SUPER_MAGIC } from "../kernel/constants.ts";
import { readIfPresent, readKernelFile } from "../kernel/kernelFiles.ts";
import { mountPoints } from "../paths/mountinfo.ts";
import { parseBytes } from "./cgroupFigures.ts";
import type { CgroupWrite } from "./cgroupPlan.ts";

/** The prefix of the names of commands' cgroups, which are below the task's cgroup. */
export const commandCgroupPrefix = "exec2-exec-";

/** The result of a planned write. The `limits` of a `sandboxed` event have this shape. */
export type LimitOutcome =
  | { readonly file: string; readonly value: string; readonly applied: true }
  | { readonly file: string; readonly value: string; readonly applied: false; readonly reason: string };

/**
 * Checks that the path is a cgroup v2 folder, and not the root cgroup, whose limits would affect all
 * processes.
 * @returns the path without symlinks, to use from here on
 * @throws DriverError `CGROUP_MISSING`
 */
export function checkCgroup(path: string): string {
  if (!isAbsolute(path) || normalize(path) !== path) {
    throw missing(
      path,
      path === "" ? "the agent names no cgroup for the task" : "the cgroup is not a plain absolute path",
    );
  }
  try {
    const cgroup = realpathSync.native(path);
    if (!isCgroup2(cgroup)) throw missing(path, "the task's cgroup is not on a cgroup v2 file system");
    // The path has no "..", so a parent on another file system means that this is the root of a mount.
    if (!isCgroup2(dirname(cgroup)))
      throw missing(path, "the task's cgroup is the root of a cgroup v2 mount");
    return cgroup;
  } catch (thrown) {
    if (thrown instanceof DriverError) throw thrown;
    throw missing(path, "the task's cgroup does not exist", thrown);
  }
}

/**
 * The id by which the kernel's programs know a cgroup, its folder's inode number. A later cgroup with the same path has
 * another one. @throws Error as fs functions do
 */
export function cgroupId(cgroup: string): bigint {
  return statSync(cgroup, { bigint: true }).ino;
}

/** The id of a task's cgroup. @throws DriverError `CGROUP_MISSING` */
export function taskCgroupId(cgroup: string): bigint {
  try {
    return cgroupId(cgroup);
  } catch (thrown) {
    throw missing(cgroup, "the task's cgroup does not exist", thrown);
  }
}

/** The error for a start whose limits and rules are those of a cgroup that is gone. */
export function replacedCgroup(path: string): DriverError {
  return new DriverError(
    "CGROUP_MISSING",
    `the task's cgroup ${path} was removed while the task was starting, and made anew`,
    {
      hint: "Whoever made it has given this start up. It is safe to start the task again",
      recoverable: true,
    },
  );
}

/**
 * Writes the planned limits. If a file is missing, its controller is not enabled for the cgroup. The task
 * then runs without that limit, and the outcome says so.
 * @throws DriverError `CGROUP_UNSUPPORTED` for a missing file of a required limit
 * @throws DriverError `CGROUP_WRITE_FAILED` for any other failure, because no task may run without a limit
 * that the host could enforce
 */
export function applyCgroupWrites(cgroup: string, writes: readonly CgroupWrite[]): LimitOutcome[] {
  return writes.map((write) => applyWrite(cgroup, write));
}

/**
 * The number of OOM kills in the cgroup since it was created; undefined without the memory controller.
 * @throws DriverError `KERNEL_CALL_FAILED` if the host is short of descriptors or memory
 */
export function readOomKills(cgroup: string): number | undefined {
  const count = /^oom_kill (\d+)$/m.exec(readIfPresent(`${cgroup}/memory.events`) ?? "")?.[1];
  return count === undefined ? undefined : Number(count);
}

/**
 * Pids of a cgroup's processes, without those of cgroups below it; empty if the cgroup was removed.
 * @throws DriverError `KERNEL_CALL_FAILED` if the host is short of descriptors or memory
 */
export function processesIn(cgroup: string): number[] {
  return (readIfPresent(`${cgroup}/cgroup.procs`) ?? "").split("\n").filter(Boolean).map(Number);
}

/** Whether a cgroup or one below it has processes; false if it was removed. */
export function hasProcesses(cgroup: string): boolean {
  return readKernelFile(`${cgroup}/cgroup.events`)?.includes("populated 1") === true;
}

/** Whether a cgroup was removed. ENODEV: between open and read or write. */
export function isGone(thrown: unknown): boolean {
  return errnoOf(thrown) === "ENOENT" || errnoOf(thrown) === "ENODEV";
}

/** Names of the cgroups directly below a cgroup; none if it was removed. */
export function cgroupsBelow(cgroup: string): string[] {
  try {
    // The link count shows whether a folder has subfolders. Most cgroups have none, and need not be read.
    if (statSync(cgroup).nlink <= 2) return [];
    const entries = readdirSync(cgroup, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch (thrown) {
    if (isGone(thrown)) return [];
    throw DriverError.from(thrown, "KERNEL_CALL_FAILED", `the cgroup ${cgroup} cannot be read`);
  }
}

/**
 * Paths of a cgroup and of all cgroups below it, each after its parent; none if it was removed. As bytes, because a task
 * may give its cgroups names that are no UTF-8.
 */
export function cgroupTree(cgroup: string): Buffer[] {
  const found: Buffer[] = [Buffer.from(cgroup)];
  // Grows while it is read.
  for (const path of found) found.push(...foldersIn(path));
  return found;
}

function foldersIn(cgroup: Buffer): Buffer[] {
  try {
    if (statSync(cgroup).nlink <= 2) return [];
    const entries = readdirSync(cgroup, { withFileTypes: true, encoding: "buffer" });
    return entries
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => Buffer.concat([cgroup, slash, name]));
  } catch (thrown) {
    if (isGone(thrown)) return [];
    throw DriverError.from(thrown, "KERNEL_CALL_FAILED", `the cgroup ${cgroup} cannot be read`);
  }
}

const slash = Buffer.from("/");

/** Controllers that a cgroup has (`cgroup.controllers`) or enables for its children (`…subtree_control`). */
export function readControllers(
  cgroup: string,
  file: "cgroup.controllers" | "cgroup.subtree_control",
): readonly string[] {
  return (readKernelFile(`${cgroup}/${file}`) ?? "").split(" ").filter((name) => name !== "");
}

/** The mount point of cgroup v2; undefined on a host without it. */
export function findCgroup2Mount(): string | undefined {
  return mountPoints(readKernelFile("/proc/self/mountinfo") ?? "", "cgroup2")[0];
}

function applyWrite(cgroup: string, { file, value, isRequired, problem }: CgroupWrite): LimitOutcome {
  if (problem !== undefined) return { file, value, applied: false, reason: problem };
  const path = `${cgroup}/${file}`;
  try {
    // Without O_CREAT: only the kernel creates files in a cgroup.
    const descriptor = openSync(path, constants.O_WRONLY);
    try {
      writeSync(descriptor, value);
    } finally {
      closeSync(descriptor);
    }
    return { file, value, applied: true };
  } catch (thrown) {
    const errno = errnoOf(thrown);
    if (errno === "ENOENT" && isRequired) throw unsupported(path, reasonWithout(file));
    if (errno === "ENOENT") return { file, value, applied: false, reason: reasonWithout(file) };
    throw writeFailed(path, value, errno, thrown);
  }
}

function reasonWithout(file: string): string {
  return file === "memory.swap.max"
    ? "the kernel does not account for swap in this cgroup"
    : `the cgroup has no ${controllerOf(file)} controller`;
}

function unsupported(path: string, problem: string): DriverError {
  const controller = controllerOf(path.slice(path.lastIndexOf("/") + 1));
  return new DriverError(
    "CGROUP_UNSUPPORTED",
    `the task's config has a limit that cannot be in force: ${problem}`,
    {
      failed: { call: "open", path, errno: "ENOENT" },
      hint: `Boot without cgroups v1 (systemd.unified_cgroup_hierarchy=1, cgroup_no_v1=all), and enable the controller in cgroup.subtree_control above the task's cgroup; or run the job on nodes whose attribute driver.exec2.cgroup.controllers has ${controller}`,
    },
  );
}

function controllerOf(file: string): string {
  return file.slice(0, file.indexOf("."));
}

function isCgroup2(path: string): boolean {
  return statfsSync(path).type === CGROUP2_SUPER_MAGIC;
}

function missing(path: string, summary: string, cause?: unknown): DriverError {
  const errno = errnoOf(cause);
  return new DriverError("CGROUP_MISSING", summary, {
    failed: { call: "statfs", path, ...(errno === undefined ? {} : { errno }) },
    hint: "The Nomad client makes a cgroup for every task on a host with cgroups v2: check that it runs as root",
    cause,
  });
}

function writeFailed(path: string, value: string, errno: string | undefined, cause: unknown): DriverError {
  return new DriverError("CGROUP_WRITE_FAILED", `the kernel refused the limit ${JSON.stringify(value)}`, {
    failed: { call: "write", path, ...(errno === undefined ? {} : { errno }) },
    hint: "Check the task's resources block against what the host has",
    recoverable: errno === "EBUSY",
    cause,
  });
}

/** The shape of an `oomSeen` event. */
export interface OutOfMemory {
  readonly kills: number;
  readonly limitBytes: number | null;
  readonly peakBytes: number | null;
}

/**
 * @param killsBefore the cgroup's counter before the run
 * @returns null if the run had no OOM kill, or if the kernel does not count OOM kills
 * @throws DriverError as {@link readOomKills} does
 */
export function readOutOfMemory(cgroup: string, killsBefore: number): OutOfMemory | null {
  const kills = (readOomKills(cgroup) ?? 0) - killsBefore;
  if (kills <= 0) return null;
  const bytes = (file: string) => parseBytes(readKernelFile(`${cgroup}/${file}`)) ?? null;
  return { kills, limitBytes: bytes("memory.max"), peakBytes: bytes("memory.peak") };
}

/**
 * Calls back when there may have been an OOM kill: the first time after a second, in case of earlier kills,
 * and later a second after each change of `memory.events`. If the kernel killed the main process, the task
 * has already ended by the time of the call.
 *
 * Watching takes a timer, then an inotify watch (all watches share one descriptor), and no CPU time while
 * nothing happens. A task at its limit makes the kernel change the file a hundred times a second. So no watch
 * is set for a second after each change.
 * @returns a function that stops watching. The watch stops by itself when the cgroup is removed, and does not
 *   start without a memory controller
 */
export function watchOutOfMemory(cgroup: string, onSuspicion: () => void): () => void {
  let watcher: FSWatcher | undefined;
  const pause = () => {
    watcher?.close();
    return setTimeout(resume, pauseMs).unref();
  };
  const resume = () => {
    try {
      watcher = watch(`${cgroup}/memory.events`, { persistent: false }, () => {
        timer = pause();
      });
    } catch {
      // There is no memory controller, the cgroup was removed, or no inotify watch is left. OOM kills are
      // then noticed only at the exit.
      return;
    }
    watcher.on("error", () => watcher?.close());
    // After the watch is set, so that no change is missed.
    onSuspicion();
  };
  let timer = pause();
  return () => {
    clearTimeout(timer);
    watcher?.close();
  };
}

const pauseMs = 1_000;
