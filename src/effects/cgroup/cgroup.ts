/**
 * A task's cgroup: checking the folder that the agent made for it, writing the
 * planned limits and reading what the kernel counts there.
 */
import { closeSync, constants, openSync, realpathSync, statfsSync, writeSync } from "node:fs";
import { dirname, isAbsolute, normalize } from "node:path";
import { DriverError, errnoOf } from "../../errors.ts";
import { mountPoints } from "../files/mountinfo.ts";
import { CGROUP2_SUPER_MAGIC } from "../kernel/constants.ts";
import { readKernelFile } from "../kernel/file.ts";
import type { CgroupWrite } from "./cgroupPlan.ts";

/** What came of a planned write; the shape of the `limits` of a `sandboxed` event. */
export type LimitOutcome =
  | { readonly file: string; readonly value: string; readonly applied: true }
  | { readonly file: string; readonly value: string; readonly applied: false; readonly reason: string };

/**
 * Makes sure that the path is a cgroup v2 folder and not the root of them all,
 * whose limits would be everybody's.
 * @returns the path without symlinks: the one to use from here on
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
    // Without ".." in the path, a parent of another kind means that a mount begins here.
    if (!isCgroup2(dirname(cgroup)))
      throw missing(path, "the task's cgroup is the root of a cgroup v2 mount");
    return cgroup;
  } catch (thrown) {
    if (thrown instanceof DriverError) throw thrown;
    throw missing(path, "the task's cgroup is not there", thrown);
  }
}

/**
 * Carries out the plan. A file that the cgroup does not have belongs to a
 * controller that is not enabled there: the task runs without that limit, and
 * the outcome says so.
 * @throws DriverError `CGROUP_WRITE_FAILED` for any other refusal, since a task
 * must not run without a limit that the host could enforce
 */
export function applyCgroupWrites(cgroup: string, writes: readonly CgroupWrite[]): LimitOutcome[] {
  return writes.map((write) => applyWrite(cgroup, write));
}

/** How often the kernel killed for lack of memory in the cgroup, all its runs together; undefined without the memory controller. */
export function readOomKills(cgroup: string): number | undefined {
  const count = /^oom_kill (\d+)$/m.exec(readKernelFile(`${cgroup}/memory.events`) ?? "")?.[1];
  return count === undefined ? undefined : Number(count);
}

/** Pids of a cgroup's processes, without those of cgroups below it; none where the cgroup is gone. */
export function processesIn(cgroup: string): number[] {
  return (readKernelFile(`${cgroup}/cgroup.procs`) ?? "").split("\n").filter(Boolean).map(Number);
}

/** Controllers that a cgroup can use (`cgroup.controllers`), or hands on to the ones below (`cgroup.subtree_control`). */
export function readControllers(
  cgroup: string,
  file: "cgroup.controllers" | "cgroup.subtree_control",
): readonly string[] {
  return (readKernelFile(`${cgroup}/${file}`) ?? "").split(" ").filter((name) => name !== "");
}

/** Where cgroup v2 is mounted; undefined on a host without it. */
export function findCgroup2Mount(): string | undefined {
  return mountPoints(readKernelFile("/proc/self/mountinfo") ?? "", "cgroup2")[0];
}

function applyWrite(cgroup: string, { file, value }: CgroupWrite): LimitOutcome {
  const path = `${cgroup}/${file}`;
  try {
    // Not created where it is missing: only the kernel makes files in a cgroup.
    const descriptor = openSync(path, constants.O_WRONLY);
    try {
      writeSync(descriptor, value);
    } finally {
      closeSync(descriptor);
    }
    return { file, value, applied: true };
  } catch (thrown) {
    const errno = errnoOf(thrown);
    if (errno === "ENOENT") return { file, value, applied: false, reason: reasonWithout(file) };
    throw writeFailed(path, value, errno, thrown);
  }
}

function reasonWithout(file: string): string {
  return file === "memory.swap.max"
    ? "the kernel does not account for swap in this cgroup"
    : `the cgroup has no ${file.slice(0, file.indexOf("."))} controller`;
}

function isCgroup2(path: string): boolean {
  return statfsSync(path).type === CGROUP2_SUPER_MAGIC;
}

function missing(path: string, summary: string, cause?: unknown): DriverError {
  const errno = errnoOf(cause);
  return new DriverError("CGROUP_MISSING", summary, {
    failed: { call: "statfs", path, ...(errno === undefined ? {} : { errno }) },
    hint: "The Nomad client makes a cgroup for every task on a host with cgroups v2: check that it runs as root there",
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
