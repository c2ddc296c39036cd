/** Ending a cgroup: everything in it is killed, and it is removed. */
import { once } from "node:events";
import { readFileSync, watch } from "node:fs";
import { readdir, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DriverError, errnoOf } from "../errors.ts";

/** How long the end of killed processes is waited for where there is something else to be done, in milliseconds. */
export const endingMs = 2_000;

/**
 * Kills what is in a cgroup and in those below it (`cgroup.kill` of cgroups(7)), and
 * removes them once the kernel tells by inotify that the last process is gone.
 * @param withinMs how long to wait for that, in milliseconds; no matter how long by default
 * @returns whether the cgroup is gone; also true where it was gone already
 * @throws DriverError `KERNEL_CALL_FAILED`
 */
export async function endCgroup(cgroup: string, withinMs?: number): Promise<boolean> {
  try {
    await killAll(cgroup, withinMs === undefined ? undefined : AbortSignal.timeout(withinMs));
    return await remove(cgroup);
  } catch (thrown) {
    if (isGone(thrown)) return true;
    if ((thrown as Error).name === "AbortError") return false;
    throw DriverError.from(thrown, "KERNEL_CALL_FAILED", `the cgroup ${cgroup} cannot be ended`);
  }
}

async function killAll(cgroup: string, signal: AbortSignal | undefined): Promise<void> {
  const events = join(cgroup, "cgroup.events");
  const populated = () => readFileSync(events, "utf8").includes("populated 1");
  const watcher = watch(events, { persistent: false });
  // Whoever waits is told of it, too.
  watcher.on("error", () => undefined);
  try {
    await writeFile(join(cgroup, "cgroup.kill"), "1");
    while (populated()) await once(watcher, "change", signal && { signal });
  } finally {
    watcher.close();
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
