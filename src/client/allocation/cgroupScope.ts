/** A cgroup for a task, made and removed as the Nomad client does. */
import { mkdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { findCgroup2Mount } from "../../effects/cgroup/cgroup.ts";
import { endCgroup } from "../../effects/cgroup/cgroupEnd.ts";
import { DriverError, errnoOf } from "../../errors.ts";

/** Holds the scopes of all local runs. */
const localSlice = "nomad-driver-exec2.slice";

/** @throws DriverError `CGROUP_MISSING` on a host without cgroup v2 */
export function scopePath(allocId: string, task: string): string {
  return join(mountPoint(), localSlice, `${allocId}.${task}.scope`);
}

/** @throws DriverError `CGROUP_MISSING` */
export async function makeScope(allocId: string, task: string): Promise<string> {
  const mount = mountPoint();
  const slice = join(mount, localSlice);
  const scope = scopePath(allocId, task);
  try {
    await mkdir(slice, { recursive: true });
    // From the root down: a cgroup can hand on only what it was given.
    for (const parent of [mount, slice]) await handOnControllers(parent);
    await mkdir(scope);
  } catch (thrown) {
    throw DriverError.from(thrown, "CGROUP_MISSING", "the task's cgroup cannot be made");
  }
  return scope;
}

/**
 * Removes a scope, and the slice where it was the last one. Whatever still runs
 * in the scope is killed, as the client does.
 */
export async function removeScope(scope: string): Promise<void> {
  if (!(await endCgroup(scope, 5_000)))
    throw new DriverError("CGROUP_MISSING", `the cgroup ${scope} cannot be removed`);
  await removeIfEmpty(dirname(scope));
}

/** Another run's scope may be in it. */
async function removeIfEmpty(slice: string): Promise<void> {
  try {
    await rmdir(slice);
  } catch (thrown) {
    if (!["EBUSY", "ENOTEMPTY", "ENOENT"].includes(errnoOf(thrown) ?? "")) throw thrown;
  }
}

/** A host may keep controllers to itself: the task then goes without those limits, and the driver says so. */
async function handOnControllers(cgroup: string): Promise<void> {
  const available = (await readFile(join(cgroup, "cgroup.controllers"), "utf8")).trim().split(" ");
  for (const controller of ["cpu", "cpuset", "memory", "pids"]) {
    if (!available.includes(controller)) continue;
    await writeFile(join(cgroup, "cgroup.subtree_control"), `+${controller}`).catch(() => undefined);
  }
}

function mountPoint(): string {
  const mount = findCgroup2Mount();
  if (mount !== undefined) return mount;
  throw new DriverError("CGROUP_MISSING", "cgroup v2 is not mounted on this host", {
    hint: "nomad-driver-exec2 doctor tells what to do",
  });
}
