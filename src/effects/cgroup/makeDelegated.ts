/** Makes the cgroups of a run whose task gets a subtree of its own: the option `cgroup_delegate`. */
import { chown, mkdir, writeFile } from "node:fs/promises";
import { DriverError, errnoOf } from "../../base/errors.ts";
import { cgroupsBelow, hasProcesses, type LimitOutcome, readControllers } from "./cgroup.ts";
import { endCgroup } from "./cgroupEnd.ts";
import { type DelegatedCgroups, delegatedBounds, delegatedPrefixes } from "./delegatedCgroups.ts";
import { newCgroupHints } from "./runCgroupSteps.ts";

/** What is left to the cgroups of init and of commands, even if the task has as many cgroups as it may. */
const reserve = 512;

/** The bounds to write to the agent's cgroup. The task cannot write there, even as root. */
const outerBounds = {
  "cgroup.max.descendants": delegatedBounds.cgroups + reserve,
  "cgroup.max.depth": delegatedBounds.depth + 1,
} as const;

/**
 * Files of its subtree's root that belong to the task: those that `/sys/kernel/cgroup/delegate` names and that every
 * use of a subtree needs. All others are limits of that root, and stay root's.
 */
const delegatedFiles = [
  "cgroup.procs",
  "cgroup.threads",
  "cgroup.subtree_control",
  "memory.oom.group",
  "memory.reclaim",
] as const;

/**
 * Makes the cgroups of a run. Removes those of earlier starts in the same cgroup, whose plugin died before an event
 * named them.
 * @param user to whom the task's subtree is to belong
 * @returns what the task's subtree can limit
 * @throws DriverError `CGROUP_WRITE_FAILED`
 */
export async function makeDelegatedCgroups(
  cgroups: DelegatedCgroups,
  user: { readonly uid: number; readonly gid: number },
): Promise<LimitOutcome[]> {
  const { parent, init, task } = cgroups;
  await removeLeftovers(parent);
  const controllers = readControllers(parent, "cgroup.controllers");
  const enabled = readControllers(parent, "cgroup.subtree_control");
  const missing = controllers.filter((name) => !enabled.includes(name));
  const value = controllers.map((name) => `+${name}`).join(" ");
  if (missing.length > 0) await write(parent, "cgroup.subtree_control", value);
  for (const [file, bound] of Object.entries(outerBounds)) await write(parent, file, String(bound));
  await attempt("mkdir", init, () => mkdir(init));
  await attempt("mkdir", task, () => mkdir(task));
  await write(task, "cgroup.max.descendants", String(delegatedBounds.cgroups));
  // Without this the kernel protects only as much as a cgroup itself asks for. The parent's memory.low is the bound.
  if (controllers.includes("memory")) await write(task, "memory.low", "max");
  await attempt("chown", task, () => chown(task, user.uid, user.gid));
  for (const file of delegatedFiles) {
    const path = `${task}/${file}`;
    await attempt("chown", path, () => chown(path, user.uid, user.gid), ["ENOENT"]);
  }
  const file = "cgroup.subtree_control";
  return value === ""
    ? [{ file, value, applied: false, reason: "the cgroup has no controllers to give to the task's subtree" }]
    : [{ file, value, applied: true }];
}

/** @throws DriverError `KERNEL_CALL_FAILED` */
async function removeLeftovers(parent: string): Promise<void> {
  for (const name of cgroupsBelow(parent)) {
    const path = `${parent}/${name}`;
    const isOwn = Object.values(delegatedPrefixes).some((prefix) => name.startsWith(prefix));
    // After `alloc restart`, an earlier run may still be ending here.
    if (isOwn && !hasProcesses(path)) await endCgroup(path);
  }
}

async function write(cgroup: string, file: string, value: string): Promise<void> {
  const path = `${cgroup}/${file}`;
  await attempt(`write ${JSON.stringify(value)} to`, path, () => writeFile(path, value));
}

async function attempt(
  call: string,
  path: string,
  act: () => Promise<unknown>,
  ignored: readonly string[] = [],
): Promise<void> {
  try {
    await act();
  } catch (thrown) {
    const errno = errnoOf(thrown);
    if (errno !== undefined && ignored.includes(errno)) return;
    throw new DriverError("CGROUP_WRITE_FAILED", "the task cannot get a cgroup of its own", {
      failed: { call, path, ...(errno === undefined ? {} : { errno }) },
      hint:
        newCgroupHints[errno as keyof typeof newCgroupHints] ??
        (errno === "EBUSY"
          ? "Something else has put a process into the task's cgroup. It is safe to try again"
          : "Remove cgroup_delegate from the task's config, or run the job on another node"),
      recoverable: errno === "EBUSY",
      cause: thrown,
    });
  }
}
