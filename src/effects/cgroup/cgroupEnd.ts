/** Waits for the processes in a cgroup to exit, and kills them. */
import { type FSWatcher, readFileSync, watch } from "node:fs";
import { readdir, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DriverError, errnoOf } from "../../errors.ts";
import { isSameProcess, type ProcessIdentity } from "../processes/processIdentity.ts";

/** Milliseconds to wait at most until killed processes have exited, where other work follows. */
export const exitTimeoutMs = 2_000;

/** How long a new zombie may stay in its cgroup: since Linux 6.19 it leaves with a delay. */
const zombieDelayMs = 5;

/**
 * Resolves once nothing of a run is left in its cgroup. An agent that learns of the run's end removes
 * the cgroup at once, and tries only once. The run's init closes its files a moment before it leaves
 * the cgroup: in between, the kernel dismantles its mount namespace.
 *
 * Mostly the cgroup is empty already, which costs one read. It does not wait for another run in the
 * same cgroup, as at `nomad alloc restart`, and never longer than {@link exitTimeoutMs}.
 */
export async function waitForRunExit(cgroup: string, init: ProcessIdentity): Promise<void> {
  let exitedAt: number | undefined;
  await waitUntilEmpty(cgroup, exitTimeoutMs, () => {
    if (isSameProcess(init)) return false;
    exitedAt ??= performance.now();
    return performance.now() - exitedAt > zombieDelayMs;
  });
}

/**
 * Kills all processes in a cgroup and in those below it (`cgroup.kill` of cgroups(7)), and
 * removes the cgroups once the last process has exited.
 * @param withinMs how long to wait for that, in milliseconds; without a limit by default
 * @returns whether the cgroup is removed, also if it was removed before
 * @throws DriverError `KERNEL_CALL_FAILED`
 */
export async function endCgroup(cgroup: string, withinMs = Number.POSITIVE_INFINITY): Promise<boolean> {
  try {
    await writeFile(join(cgroup, "cgroup.kill"), "1");
    return (await waitUntilEmpty(cgroup, withinMs)) && (await remove(cgroup));
  } catch (thrown) {
    if (isGone(thrown)) return true;
    throw DriverError.from(thrown, "KERNEL_CALL_FAILED", `the cgroup ${cgroup} cannot be ended`);
  }
}

/**
 * Waits until no process is left in a cgroup and in those below it.
 * @param isEnough ends the wait early; called repeatedly
 * @returns whether none is left; also true if the cgroup was removed
 */
async function waitUntilEmpty(cgroup: string, withinMs: number, isEnough = () => false): Promise<boolean> {
  if (!isPopulated(cgroup)) return true;
  const deadline = performance.now() + withinMs;
  let watcher: FSWatcher;
  try {
    watcher = watch(join(cgroup, "cgroup.events"), { persistent: false });
  } catch (thrown) {
    if (isGone(thrown)) return true;
    throw thrown;
  }
  // Ignored, because the loop below reads the file again anyway.
  watcher.on("error", () => undefined);
  try {
    for (let pauseMs = 1; isPopulated(cgroup); pauseMs = Math.min(2 * pauseMs, maxPauseMs)) {
      if (isEnough() || performance.now() > deadline) return false;
      await waitForChange(watcher, pauseMs);
    }
    return true;
  } finally {
    watcher.close();
  }
}

const maxPauseMs = 1_000;

/**
 * Resolves at a change of `cgroup.events`, or after `withinMs`. The timeout is needed because the kernel
 * delays a second notification within 10 ms (cgroup_file_notify), as at the end of a short task.
 */
function waitForChange(watcher: FSWatcher, withinMs: number): Promise<void> {
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
    throw DriverError.from(thrown, "KERNEL_CALL_FAILED", `the cgroup ${cgroup} cannot be read`);
  }
}

/** Also removes cgroups below it, which a task that runs as root may have created. */
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
