/** The end of what runs in a cgroup: waited for, and brought about. */
import { type FSWatcher, readFileSync, watch } from "node:fs";
import { readdir, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DriverError, errnoOf } from "../../errors.ts";
import { isSameProcess, type ProcessIdentity } from "../processes/processIdentity.ts";

/** How long the end of killed processes is waited for where there is something else to be done, in milliseconds. */
export const endingMs = 2_000;

/** How long the kernel may take to move a process out of its cgroup that has become a zombie: from 6.19 on, later than that. */
const lagMs = 5;

/**
 * Resolves once nothing of a run is left in its cgroup: an agent that is told of the run's end removes
 * the cgroup at once, and only once. The run's init has closed its files a moment before it leaves:
 * in between, its mount namespace is taken down.
 *
 * Mostly that is so already, which costs one read. Never waits for another run in the same cgroup, as
 * there is at `nomad alloc restart`, and not for longer than {@link endingMs} where the kernel hangs.
 */
export async function runLeft(cgroup: string, init: ProcessIdentity): Promise<void> {
  let goneAt: number | undefined;
  await emptied(cgroup, endingMs, () => {
    if (isSameProcess(init)) return false;
    goneAt ??= performance.now();
    return performance.now() - goneAt > lagMs;
  });
}

/**
 * Kills what is in a cgroup and in those below it (`cgroup.kill` of cgroups(7)), and
 * removes them once the last process is gone.
 * @param withinMs how long to wait for that, in milliseconds; no matter how long by default
 * @returns whether the cgroup is gone; also true where it was gone already
 * @throws DriverError `KERNEL_CALL_FAILED`
 */
export async function endCgroup(cgroup: string, withinMs = Number.POSITIVE_INFINITY): Promise<boolean> {
  try {
    await writeFile(join(cgroup, "cgroup.kill"), "1");
    return (await emptied(cgroup, withinMs)) && (await remove(cgroup));
  } catch (thrown) {
    if (isGone(thrown)) return true;
    throw DriverError.from(thrown, "KERNEL_CALL_FAILED", `the cgroup ${cgroup} cannot be ended`);
  }
}

/**
 * Waits until no process is left in a cgroup and in those below it.
 * @param isEnough ends the wait before that; asked again and again
 * @returns whether none is left; also true where the cgroup is gone
 */
async function emptied(cgroup: string, withinMs: number, isEnough = () => false): Promise<boolean> {
  if (!isPopulated(cgroup)) return true;
  const deadline = performance.now() + withinMs;
  let watcher: FSWatcher;
  try {
    watcher = watch(join(cgroup, "cgroup.events"), { persistent: false });
  } catch (thrown) {
    if (isGone(thrown)) return true;
    throw thrown;
  }
  // Whoever waits looks again by himself.
  watcher.on("error", () => undefined);
  try {
    for (let pauseMs = 1; isPopulated(cgroup); pauseMs = Math.min(2 * pauseMs, maxPauseMs)) {
      if (isEnough() || performance.now() > deadline) return false;
      await changed(watcher, pauseMs);
    }
    return true;
  } finally {
    watcher.close();
  }
}

const maxPauseMs = 1_000;

/**
 * A change of `cgroup.events`, or the time when it is to be looked at again: the kernel holds a second
 * notice within 10 ms back (cgroup_file_notify), and the end of a short task is one.
 */
function changed(watcher: FSWatcher, withinMs: number): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      watcher.off("change", done);
      resolve();
    };
    const timer = setTimeout(done, withinMs);
    watcher.on("change", done);
  });
}

function isPopulated(cgroup: string): boolean {
  try {
    return readFileSync(join(cgroup, "cgroup.events"), "utf8").includes("populated 1");
  } catch (thrown) {
    if (isGone(thrown)) return false;
    throw DriverError.from(thrown, "KERNEL_CALL_FAILED", `the cgroup ${cgroup} cannot be looked at`);
  }
}

/** With those below it, which a task of root's may have made. */
async function remove(cgroup: string): Promise<boolean> {
  try {
    await rmdir(cgroup);
    return true;
  } catch (thrown) {
    if (errnoOf(thrown) !== "EBUSY" && errnoOf(thrown) !== "ENOTEMPTY") throw thrown;
  }
  const below = (await readdir(cgroup, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  for (const { name } of below) if (!(await remove(join(cgroup, name)))) return false;
  return below.length > 0 && remove(cgroup);
}

/** ENODEV: it was removed between open and read or write. */
function isGone(thrown: unknown): boolean {
  return errnoOf(thrown) === "ENOENT" || errnoOf(thrown) === "ENODEV";
}
