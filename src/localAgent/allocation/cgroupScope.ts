/**
 * Makes and removes a task's cgroup as the Nomad client does. The run holds a lock (flock(2)) on the cgroup's
 * folder, and the cgroup has a mark that names the run. All mount and pid namespaces of a host share the
 * cgroups, with their locks and marks. So the lock shows whether the run is alive, even to a process that has
 * another /var/tmp or another root.
 */
import { closeSync, constants, openSync, readdirSync } from "node:fs";
import { mkdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { DriverError, errnoOf } from "../../base/errors.ts";
import { parseJsonOrNothing } from "../../base/json.ts";
import { findCgroup2Mount, isGone } from "../../effects/cgroup/cgroup.ts";
import { endCgroup } from "../../effects/cgroup/cgroupEnd.ts";
import { getxattr, setxattr, tryFlock } from "../../effects/kernel/libc.ts";

/** The parent cgroup of the scopes of all local runs. */
const localSlice = "nomad-driver-exec2.slice";

/**
 * The path of a task's cgroup.
 * @throws DriverError `CGROUP_MISSING` if the host has no cgroup v2
 */
export function scopePath(allocId: string, task: string): string {
  return join(mountPoint(), localSlice, `${allocId}.${task}.scope`);
}

const ownerSchema = z.object({
  /** Pid of the run, in its own pid namespace. */
  pid: z.number().int(),
  /** Time when the run began, in milliseconds since the epoch. */
  begunAt: z.number(),
  /** The job file, as the person named it. */
  job: z.string(),
  /** The run's work folder, as the run sees it. */
  work: z.string(),
});

/** The run that made a cgroup. */
export type ScopeOwner = Readonly<z.infer<typeof ownerSchema>>;

/** A task's cgroup that this process owns. */
export interface OwnScope {
  readonly path: string;
  /** Removes the cgroup, as {@link removeScope} does. */
  remove(): Promise<void>;
}

export interface LocalScope {
  readonly path: string;
  readonly allocId: string;
  readonly task: string;
  /**
   * Undefined for a cgroup without a mark: its run was killed while it made the cgroup, or is of an earlier
   * version. Such a run holds no lock on the cgroup.
   */
  readonly owner: ScopeOwner | undefined;
}

/** The cgroups of all tasks of local runs on this host. */
export function allScopes(): LocalScope[] {
  const mount = findCgroup2Mount();
  if (mount === undefined) return [];
  const slice = join(mount, localSlice);
  return namesIn(slice).flatMap((name) => {
    // An allocation's id holds no dot.
    const [, allocId, task] = /^([^.]+)\.(.+)\.scope$/.exec(name) ?? [];
    if (!allocId || !task) return [];
    const path = join(slice, name);
    return [{ path, allocId, task, owner: ownerOf(path) }];
  });
}

/** The attribute that holds the mark. The kernel keeps it with the cgroup, for root only: xattr(7). */
const ownerAttribute = "trusted.exec2.run";

function ownerOf(scope: string): ScopeOwner | undefined {
  return ownerSchema.safeParse(parseJsonOrNothing(getxattr(scope, ownerAttribute) ?? "")).data;
}

/**
 * Whether another process holds the lock: a living run, or a process that removes the cgroup. False for a cgroup
 * without a mark: its run may be about to take the lock, and a look at the lock could keep the run from it.
 */
export function isHeld(scope: LocalScope): boolean {
  if (scope.owner === undefined) return false;
  const taken = takeScope(scope, "shared");
  taken?.release();
  return taken === undefined;
}

/**
 * Takes over a cgroup that no process holds any more.
 * @returns undefined if another process holds the cgroup
 */
export function takeScope(
  { path }: LocalScope,
  kind: "exclusive" | "shared" = "exclusive",
): { release(): void } | undefined {
  let descriptor: number;
  try {
    descriptor = openFolder(path);
  } catch (thrown) {
    // Another process has removed the cgroup, so nothing is left to take.
    if (errnoOf(thrown) === "ENOENT") return { release: () => undefined };
    throw DriverError.from(thrown, "CGROUP_MISSING", "the cgroup of a local run cannot be opened");
  }
  if (tryFlock(descriptor, kind)) return { release: () => closeSync(descriptor) };
  closeSync(descriptor);
  return undefined;
}

function openFolder(path: string): number {
  return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
}

function namesIn(slice: string): string[] {
  try {
    return readdirSync(slice);
  } catch (thrown) {
    if (isGone(thrown)) return [];
    throw DriverError.from(thrown, "CGROUP_MISSING", "the cgroups of local runs cannot be listed");
  }
}

/**
 * Makes a task's cgroup, which this process holds until it removes the cgroup or ends.
 * @throws DriverError `CGROUP_MISSING`
 */
export async function makeScope(allocId: string, task: string, owner: ScopeOwner): Promise<OwnScope> {
  const path = scopePath(allocId, task);
  try {
    await makeFolder(path);
    const descriptor = hold(path, owner);
    const remove = async () => {
      await removeScope(path);
      closeSync(descriptor);
    };
    return { path, remove };
  } catch (thrown) {
    throw DriverError.from(thrown, "CGROUP_MISSING", "the task's cgroup cannot be created");
  }
}

/** After this many attempts a slice that is gone each time is an error. */
const maxAttempts = 20;

async function makeFolder(scope: string): Promise<void> {
  const slice = dirname(scope);
  for (let attempt = 1; ; attempt++) {
    try {
      await mkdir(slice, { recursive: true });
      // From the root down: a cgroup can delegate only the controllers that its parent delegated to it.
      for (const parent of [dirname(slice), slice]) await delegateControllers(parent);
      return await mkdir(scope);
    } catch (thrown) {
      // Another run that ends removes the slice, as long as no scope is in it.
      if (!isGone(thrown) || attempt === maxAttempts) throw thrown;
    }
  }
}

/** The lock comes before the mark, because a cgroup with a mark and without a lock counts as abandoned. */
function hold(scope: string, owner: ScopeOwner): number {
  const descriptor = openFolder(scope);
  tryFlock(descriptor);
  try {
    setxattr(scope, ownerAttribute, JSON.stringify(owner));
  } catch {
    // A container may not set the attribute. Then clean leaves the cgroup alone, unless it has the run's folder.
  }
  return descriptor;
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
  for (const controller of ["cpu", "cpuset", "hugetlb", "io", "memory", "pids"]) {
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
