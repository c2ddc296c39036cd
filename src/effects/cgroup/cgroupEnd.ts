/** Freezes or kills the processes in a cgroup, and waits until all are frozen or have exited. */
import { type FSWatcher, readFileSync, watch } from "node:fs";
import { rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DriverError, errnoOf } from "../../base/errors.ts";
import { isSameProcess, type ProcessIdentity } from "../processes/processIdentity.ts";
import { cgroupTree, isGone } from "./cgroup.ts";
import type { DelegatedCgroups } from "./delegatedCgroups.ts";

/** Maximum time to wait for killed processes to exit before other work goes on, in milliseconds. */
export const exitTimeoutMs = 2_000;

/** Milliseconds that a new zombie may stay in its cgroup: since Linux 6.19 it leaves with a delay. */
const zombieDelayMs = 5;

/**
 * Resolves once no process of a run is left in its cgroup. An agent that learns of the run's end removes the
 * cgroup at once, and tries only once. The driver learns of the end when the run's init closes its files. But
 * init leaves the cgroup a moment later, because the kernel first dismantles its mount namespace.
 *
 * Usually the cgroup is already empty, and the function only reads one file. It does not wait for another run
 * in the same cgroup, as after `nomad alloc restart`, and never longer than {@link exitTimeoutMs}.
 */
export async function waitForRunExit(cgroup: string, init: ProcessIdentity): Promise<void> {
  let exitedAt: number | undefined;
  await waitUntil(cgroup, isEmpty, exitTimeoutMs, () => {
    if (isSameProcess(init)) return false;
    exitedAt ??= performance.now();
    return performance.now() - exitedAt > zombieDelayMs;
  });
}

/**
 * Kills all processes in a cgroup and in the cgroups below it (`cgroup.kill` of cgroups(7)), and removes the
 * cgroups once the last process has exited.
 * @param withinMs maximum time to wait for the last exit, in milliseconds; unlimited by default
 * @returns whether the cgroup is removed; also true if it was removed before
 * @throws DriverError `KERNEL_CALL_FAILED`
 */
export async function endCgroup(cgroup: string, withinMs = Number.POSITIVE_INFINITY): Promise<boolean> {
  try {
    await writeFile(join(cgroup, "cgroup.kill"), "1");
    return (await waitUntil(cgroup, isEmpty, withinMs)) && (await remove(cgroup));
  } catch (thrown) {
    if (isGone(thrown)) return true;
    throw DriverError.from(thrown, "KERNEL_CALL_FAILED", `the cgroup ${cgroup} cannot be ended`);
  }
}

/**
 * Removes the cgroups of a run whose task had a subtree of its own, with all that the task has made there. The cgroup of
 * init stays as long as a relay of the task's output is in it.
 * @param withinMs maximum time to wait for the exit of killed processes
 * @throws DriverError `KERNEL_CALL_FAILED`
 */
export async function endDelegated(
  { init, task }: Pick<DelegatedCgroups, "init" | "task">,
  withinMs: number,
): Promise<void> {
  await endCgroup(task, withinMs);
  await tryRemove(init);
}

/**
 * Stops all processes in a cgroup (`cgroup.freeze` of cgroups(7)). They can still be killed.
 * @returns whether all have stopped in time; also true if the cgroup was removed
 * @throws DriverError `KERNEL_CALL_FAILED`
 */
export async function freezeCgroup(cgroup: string, withinMs: number): Promise<boolean> {
  await writeFreeze(cgroup, "1");
  return waitUntil(cgroup, isFrozen, withinMs);
}

/** Lets the processes in a frozen cgroup run again. */
export function thawCgroup(cgroup: string): Promise<void> {
  return writeFreeze(cgroup, "0");
}

/** Removes an empty cgroup. @returns whether it is removed; also true if it was removed before */
export async function tryRemove(cgroup: string | Buffer): Promise<boolean> {
  try {
    await rmdir(cgroup);
    return true;
  } catch (thrown) {
    if (isGone(thrown)) return true;
    if (errnoOf(thrown) === "EBUSY" || errnoOf(thrown) === "ENOTEMPTY") return false;
    throw DriverError.from(thrown, "KERNEL_CALL_FAILED", `the cgroup ${cgroup} cannot be removed`);
  }
}

/** Removes a cgroup once its last process exits, if this process still runs then. Ignores failures. */
export function removeWhenEmpty(cgroup: string): void {
  let watcher: FSWatcher;
  try {
    watcher = watch(join(cgroup, "cgroup.events"), { persistent: false });
  } catch {
    // The cgroup was removed, or no inotify watch is left.
    return;
  }
  const check = () => {
    try {
      if (!isEmpty(readEvents(cgroup))) return;
    } catch {
      // The host is short of something. The next change is another chance.
      return;
    }
    watcher.close();
    void tryRemove(cgroup).catch(() => undefined);
  };
  watcher.on("change", check).on("error", () => watcher.close());
  check();
}

async function writeFreeze(cgroup: string, value: "0" | "1"): Promise<void> {
  try {
    await writeFile(join(cgroup, "cgroup.freeze"), value);
  } catch (thrown) {
    if (isGone(thrown)) return;
    throw DriverError.from(thrown, "KERNEL_CALL_FAILED", `the cgroup ${cgroup} cannot be frozen`);
  }
}

/** A state of a cgroup. @param events the content of `cgroup.events`; undefined if the cgroup was removed */
type State = (events: string | undefined) => boolean;

/** No process is left in the cgroup or in the cgroups below it. */
const isEmpty: State = (events) => !events?.includes("populated 1");
const isFrozen: State = (events) => !events?.includes("frozen 0");

/**
 * Waits until a cgroup is in a state.
 * @param isEnough called repeatedly; the wait ends early once the function returns true
 * @returns whether the cgroup is in that state
 */
async function waitUntil(
  cgroup: string,
  isReached: State,
  withinMs: number,
  isEnough = () => false,
): Promise<boolean> {
  if (isReached(readEvents(cgroup))) return true;
  const deadline = performance.now() + withinMs;
  let watcher: FSWatcher | undefined;
  try {
    watcher = watch(join(cgroup, "cgroup.events"), { persistent: false });
    // Ignored, because the loop below reads the file again anyway.
    watcher.on("error", () => undefined);
  } catch (thrown) {
    if (isGone(thrown)) return true;
    // No inotify watch is left, so the loop below only reads.
  }
  try {
    for (let pauseMs = 1; !isReached(readEvents(cgroup)); pauseMs = Math.min(2 * pauseMs, maxPauseMs)) {
      if (isEnough() || performance.now() > deadline) return false;
      await waitForChange(watcher, pauseMs);
    }
    return true;
  } finally {
    watcher?.close();
  }
}

const maxPauseMs = 1_000;

/**
 * Resolves at a change of `cgroup.events`, or after `withinMs`. The timeout is needed because the kernel
 * delays notifications that follow each other within 10 ms (cgroup_file_notify), as at the end of a short
 * task.
 */
function waitForChange(watcher: FSWatcher | undefined, withinMs: number): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      watcher?.off("change", done);
      resolve();
    };
    const timer = setTimeout(done, withinMs);
    watcher?.on("change", done);
  });
}

function readEvents(cgroup: string): string | undefined {
  try {
    return readFileSync(join(cgroup, "cgroup.events"), "utf8");
  } catch (thrown) {
    if (isGone(thrown)) return undefined;
    throw DriverError.from(thrown, "KERNEL_CALL_FAILED", `the cgroup ${cgroup} cannot be read`);
  }
}

/** Removes a cgroup and those below it: commands' cgroups, and cgroups that a task has created. */
async function remove(cgroup: string): Promise<boolean> {
  if (await tryRemove(cgroup)) return true;
  for (const path of cgroupTree(cgroup).toReversed()) if (!(await tryRemove(path))) return false;
  return true;
}
