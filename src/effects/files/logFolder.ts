/** Finds the folder of an allocation's logs, `alloc/logs`, as its tasks see it. */
import { lstatSync } from "node:fs";
import type { TaskFolders } from "../../config/task/taskFolders.ts";
import type { RootMode } from "../../config/task/unveilRules.ts";
import { DriverError } from "../../errors.ts";
import { folderInTask } from "./mountTarget.ts";

/**
 * Paths of the folder in the task's mount namespace, without symlinks, for a task that must not write there.
 *
 * The agent writes and rotates the logs in it as root, and would follow a symlink that a task has put there:
 * CVE-2026-6959. A task needs no access to the folder, because it gets its log pipes as descriptors.
 * @param allocDir the allocation's private folder, which contains the same `alloc/logs`
 * @param root the task's root; in the host's tree the task sees the private folder, too
 * @returns none if there is no such folder
 * @throws DriverError `LOG_PIPE_UNSAFE` if something else is in its place
 */
export function logFolders(
  { allocDir: shared }: Pick<TaskFolders, "allocDir">,
  allocDir: string,
  root: RootMode,
): string[] {
  const around = root === "host" ? [shared, `${allocDir}/alloc`] : [shared];
  return [...new Set(around.flatMap((folder) => logFolderIn(folder, root)))];
}

function logFolderIn(folder: string, root: RootMode): string[] {
  const path = `${folder}/logs`;
  const status = lstatSync(path, { throwIfNoEntry: false });
  if (status === undefined) return [];
  if (status.isDirectory()) return [`${folderInTask(folder, root)}/logs`];
  throw new DriverError("LOG_PIPE_UNSAFE", `${path} is unsafe: it is no folder`, {
    hint: "A task of the allocation may have replaced it: restart the allocation on another node, and find out who did it",
  });
}
