/** Checks that the folders in a task's environment are the task's own. */
import { lstatSync, type Stats } from "node:fs";
import type { TaskFolders } from "../../config/task/taskFolders.ts";
import { DriverError, errnoOf } from "../../errors.ts";
import { isTaskName } from "../../taskId.ts";

/**
 * A task may read, write and execute everything in its folders. A job's `env` block
 * can set the variables that name them: `NOMAD_TASK_DIR = "/etc"` would give the
 * task `/etc`. The allocation's folder, however, comes from the agent itself. The
 * task's folders are bind mounts of folders in there. So each must be the same
 * folder (device and inode) as its original.
 * @throws DriverError `CONFIG_INVALID`
 */
export function checkTaskFolders(
  folders: TaskFolders,
  { allocDir, taskName }: { readonly allocDir: string; readonly taskName: string },
): void {
  // Nomad forbids only slashes. The folders of a task named ".." are beside those of all allocations.
  if (!isTaskName(taskName)) {
    const named = `a task may not be named ${JSON.stringify(taskName)}: its folder would not be its own`;
    throw new DriverError("CONFIG_INVALID", named, { hint: "Give the task another name" });
  }
  const own = `${allocDir}/${taskName}`;
  checkSame("NOMAD_TASK_DIR", folders.taskDir, `${own}/local`);
  checkSame("NOMAD_ALLOC_DIR", folders.allocDir, `${allocDir}/alloc`);
  checkSame("NOMAD_SECRETS_DIR", folders.secretsDir, `${own}/secrets`);
  checkSame("the folder beside NOMAD_TASK_DIR", folders.tmpDir, `${own}/tmp`);
}

function checkSame(name: string, path: string, original: string): void {
  const named = folderAt(name, path);
  const expected = folderAt("its original", original);
  if (named.dev === expected.dev && named.ino === expected.ino) return;
  throw new DriverError("CONFIG_INVALID", `${name} (${path}) is not the task's own folder ${original}`, {
    hint: "The Nomad agent sets the variable: remove it from the job's env block",
  });
}

/** Does not follow a symlink. */
function folderAt(name: string, path: string): Stats {
  try {
    const status = lstatSync(path);
    if (status.isDirectory()) return status;
  } catch (thrown) {
    const failed = { call: "lstat", path, errno: errnoOf(thrown) ?? String(thrown) };
    throw new DriverError("CONFIG_INVALID", `${name} cannot be found`, { failed, cause: thrown });
  }
  throw new DriverError("CONFIG_INVALID", `${name} (${path}) is no folder`);
}
