/** Makes and removes a task's cgroup as the Nomad client does. */
import { readdirSync } from "node:fs";
import { mkdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { DriverError, errnoOf } from "../../base/errors.ts";
import { findCgroup2Mount } from "../../effects/cgroup/cgroup.ts";
import { endCgroup } from "../../effects/cgroup/cgroupEnd.ts";

/** The parent cgroup of the scopes of all local runs. */
const localSlice = "nomad-driver-exec2.slice";

/**
 * The path of a task's cgroup.
 * @throws DriverError `CGROUP_MISSING` if the host has no cgroup v2
 */
export function scopePath(allocId: string, task: string): string {
  return join(mountPoint(), localSlice, `${allocId}.${task}.scope`);
}

export interface LocalScope {
  readonly path: string;
  readonly allocId: string;
  readonly task: string;
}

/** The cgroups of all tasks of local runs on this host. */
export function allScopes(): LocalScope[] {
  const mount = findCgroup2Mount();
  if (mount === undefined) return [];
  const slice = join(mount, localSlice);
  return namesIn(slice).flatMap((name) => {
    // An allocation's id holds no dot.
    const [, allocId, task] = /^([^.]+)\.(.+)\.scope$/.exec(name) ?? [];
    return allocId && task ? [{ path: join(slice, name), allocId, task }] : [];
  });
}

function namesIn(slice: string): string[] {
  try {
    return readdirSync(slice);
  } catch (thrown) {
    if (errnoOf(thrown) === "ENOENT") return [];
    throw DriverError.from(thrown, "CGROUP_MISSING", "the cgroups of local runs cannot be listed");
  }
}

/**
 * Makes a task's cgroup.
 * @throws DriverError `CGROUP_MISSING`
 */
export async function makeScope(allocId: string, task: string): Promise<string> {
  const mount = mountPoint();
  const slice = join(mount, localSlice);
  const scope = scopePath(allocId, task);
  try {
    await mkdir(slice, { recursive: true });
    // From the root down: a cgroup can delegate only the controllers that its parent delegated to it.
    for (const parent of [mount, slice]) await delegateControllers(parent);
    await mkdir(scope);
  } catch (thrown) {
    throw DriverError.from(thrown, "CGROUP_MISSING", "the task's cgroup cannot be created");
  }
  return scope;
}

/**
 * Kills all processes in a scope, as the client does, and removes the scope. Removes the slice, too, if this
 * was its last scope.
 */
export async function removeScope(scope: string): Promise<void> {
  if (!(await endCgroup(scope, 5_000)))
    throw new DriverError("CGROUP_MISSING", `the cgroup ${scope} cannot be removed`);
  await removeIfEmpty(dirname(scope));
}

/** The slice stays if it holds scopes of other runs. */
async function removeIfEmpty(slice: string): Promise<void> {
  try {
    await rmdir(slice);
  } catch (thrown) {
    if (!["EBUSY", "ENOTEMPTY", "ENOENT"].includes(errnoOf(thrown) ?? "")) throw thrown;
  }
}

/** A host may withhold controllers. The task then runs without their limits, and the driver reports this. */
async function delegateControllers(cgroup: string): Promise<void> {
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
    hint: "See nomad-driver-exec2 doctor",
  });
}
