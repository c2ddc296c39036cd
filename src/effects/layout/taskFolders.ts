/** The folders that Nomad gives a task, from the variables in the task's environment. Pure. */
import { DriverError } from "../../base/errors.ts";

export interface TaskFolders {
  /** The parent of `local`, `secrets` and `tmp`, and the default working directory. */
  readonly rootDir: string;
  /** `NOMAD_TASK_DIR`: `local` in `rootDir`. */
  readonly taskDir: string;
  /** `NOMAD_ALLOC_DIR`, shared by the tasks of the allocation. */
  readonly allocDir: string;
  /** `NOMAD_SECRETS_DIR`. */
  readonly secretsDir: string;
  /** The task's temporary folder: `tmp` in `rootDir`. */
  readonly tmpDir: string;
}

/**
 * Reads the paths, and checks only their form. A job's `env` block can override the variables, so
 * `checkTaskFolders` must compare the paths with the allocation's folder before they are used.
 * @throws DriverError `CONFIG_INVALID` naming the variable that is missing, or that is not a plain absolute
 *   path
 */
export function taskFolders(env: Readonly<Record<string, string>>): TaskFolders {
  const taskDir = folderOf(env, "NOMAD_TASK_DIR");
  const rootDir = taskDir.slice(0, taskDir.lastIndexOf("/"));
  return {
    rootDir,
    taskDir,
    allocDir: folderOf(env, "NOMAD_ALLOC_DIR"),
    secretsDir: folderOf(env, "NOMAD_SECRETS_DIR"),
    tmpDir: `${rootDir}/tmp`,
  };
}

function folderOf(env: Readonly<Record<string, string>>, name: string): string {
  const path = env[name];
  if (path !== undefined && isPlainFolder(path)) return path;
  const [wrong, hint] =
    path === undefined
      ? ["is missing from the task's environment", "A Nomad agent always sets it"]
      : ["is not a plain absolute path", "The Nomad agent sets it: remove it from the job's env block"];
  throw new DriverError("CONFIG_INVALID", `${name} ${wrong}`, { hint });
}

/** Whether a path is absolute, at least two levels deep, and without empty, `.` and `..` segments. */
function isPlainFolder(path: string): boolean {
  const [start, ...parts] = path.split("/");
  return start === "" && parts.length > 1 && parts.every(isPlainName);
}

function isPlainName(part: string): boolean {
  return part !== "" && part !== "." && part !== ".." && !part.includes("\0");
}

/** Whether a task sees the host's tree, or a private root with unveiled paths only. */
export type RootMode = "private" | "host";
