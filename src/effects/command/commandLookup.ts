/** Looks up a task's command and working directory before the launch, so that a typo gets a clear error. */
import { type Stats, statSync } from "node:fs";
import { isAbsolute } from "node:path";
import { DriverError } from "../../base/errors.ts";
import { hostPath, mountAround, type PlacedMount, type TaskFolders } from "../layout/layout.ts";
import { type IsVisible, realPathOf } from "../paths/hostPaths.ts";
import { isAtOrBelow } from "../paths/paths.ts";
import { defaultPaths } from "../unveil/defaultPaths.ts";
import type { UnveilRules } from "../unveil/unveilRules.ts";

/**
 * Finds the command as execvp(3) does, but in the task's `PATH`, never the plugin's.
 * @param command a name to look for; with a "/", an absolute path or a path relative to the working directory
 * @param options.path the task's `PATH`; only its absolute entries count
 * @param options.mounts paths that lead to something else in the task than on the host. A path into a
 *   volume is returned unchecked, because its symlinks can only be resolved inside the task
 * @param options.isInRoot whether a path of the host is in the task's root; by default all are
 * @param options.isVisible whether the task's user can see a path of the host; by default all are visible
 * @param options.lookAt looks a path up as a running task sees it; by default paths are looked up on the host
 * @returns an absolute path of a regular file with an execute bit
 * @throws DriverError `COMMAND_NOT_FOUND` with the paths that were tried
 * @throws DriverError `COMMAND_NOT_EXECUTABLE` if none of the files found is executable
 */
export function resolveCommand(
  command: string,
  options: {
    readonly path: string | undefined;
    readonly workDir: string;
    readonly mounts?: readonly PlacedMount[];
    readonly isInRoot?: (path: string) => boolean;
    readonly isVisible?: IsVisible;
    readonly lookAt?: (path: string) => Stats | undefined;
    /** What to do if the command is missing. */
    readonly missingHint?: string;
  },
): string {
  const { mounts = [], isInRoot = () => true, isVisible = () => true, lookAt = statusOf } = options;
  const candidates = candidatesOf(command, options);
  const [only] = candidates;
  if (only !== undefined && command.includes("/") && mountAround(only, mounts) !== undefined) return only;
  const statusFor = (path: string) => lookAt(hostPath(path, mounts));
  const isInTask = (path: string) => mountAround(path, mounts) !== undefined || isInRoot(path);
  const found = candidates.find((path) => isInTask(path) && isExecutable(statusFor(path)));
  if (found !== undefined) return found;
  const name = JSON.stringify(command);
  const outside = candidates.find(
    (path) =>
      isVisible(path) &&
      isExecutable(statusOf(hostPath(path, mounts))) &&
      (lookAt !== statusOf || !isInRoot(path)),
  );
  if (outside !== undefined) {
    throw new DriverError("COMMAND_NOT_FOUND", `command ${name} is on the host, but not in the task's root`, {
      failed: { call: "stat", path: outside, errno: "ENOENT" },
      hint: `Add unveil "rx:${outside}", and whatever else the command needs. On the client, this needs unveil_allowed, unveil_by_task or unveil_paths`,
    });
  }
  for (const path of candidates) {
    const status = isInTask(path) || isVisible(path) ? statusFor(path) : undefined;
    // Skips folders with that name in the PATH, as shells do.
    if (!status?.isFile() && !(status && command.includes("/"))) continue;
    const what = status.isDirectory() ? "a folder" : "not a regular file with an execute bit";
    throw new DriverError(
      "COMMAND_NOT_EXECUTABLE",
      `command ${name} cannot be executed: ${path} is ${what}`,
      {
        hint: "Correct its mode, or name another command",
      },
    );
  }
  const tried =
    candidates.length > 0 ? `looked for ${candidates.join(", ")}` : "its PATH names no absolute folder";
  throw new DriverError("COMMAND_NOT_FOUND", `command ${name} not found: ${tried}`, {
    hint:
      options.missingHint ??
      "Install the command on the node, fetch it as an artifact, or give its absolute path",
  });
}

/**
 * @param workDir the task's option: absolute, or relative to the task's folder (`local/app`)
 * @returns an absolute path of a folder; without the option, the task's folder
 * @throws DriverError `WORK_DIR_INVALID`
 */
export function resolveWorkDir(
  workDir: string | undefined,
  folders: Pick<TaskFolders, "rootDir">,
  mounts: readonly Pick<PlacedMount, "target">[] = [],
  isInRoot: (path: string) => boolean = () => true,
  isVisible: IsVisible = () => true,
): string {
  if (workDir === undefined) return folders.rootDir;
  const path = isAbsolute(workDir) ? workDir : `${folders.rootDir}/${workDir}`;
  if (mountAround(path, mounts) !== undefined) return path;
  if ((isInRoot(path) || isVisible(path)) && statusOf(path)?.isDirectory()) {
    if (isInRoot(path)) return path;
    throw new DriverError(
      "WORK_DIR_INVALID",
      `work_dir ${JSON.stringify(workDir)} is not in the task's root`,
      {
        failed: { call: "stat", path, errno: "ENOENT" },
        hint: `Add unveil "r:${path}". On the client, this needs unveil_allowed, unveil_by_task or unveil_paths`,
      },
    );
  }
  throw new DriverError(
    "WORK_DIR_INVALID",
    `work_dir ${JSON.stringify(workDir)} is not a folder: looked for ${path}`,
    {
      hint: "Give an absolute path, or one relative to the task's folder, such as local/app",
    },
  );
}

/**
 * As {@link resolveWorkDir}, for a task whose root is made of a folder.
 * @param lookAt looks a path up as the task sees it
 */
export function resolveWorkDirInRootDir(
  workDir: string | undefined,
  { rootDir }: Pick<TaskFolders, "rootDir">,
  lookAt: (path: string) => Stats | undefined,
): string {
  if (workDir === undefined) return rootDir;
  const path = isAbsolute(workDir) ? workDir : `${rootDir}/${workDir}`;
  if (lookAt(path)?.isDirectory()) return path;
  throw new DriverError(
    "WORK_DIR_INVALID",
    `work_dir ${JSON.stringify(workDir)} is not a folder in root_dir: looked for ${path}`,
    { hint: "Make it there, or give a path relative to the task's folder, such as local/app" },
  );
}

/**
 * Returns a function that tells whether a path of the host is in the task's root and visible to its user.
 * Most paths are in a folder that every task has, so the rules' links are followed only for other paths.
 */
export function rootCheck(
  { root, entries }: UnveilRules,
  folders: TaskFolders,
  hasDefaults: boolean,
  isVisible: IsVisible,
): (path: string) => boolean {
  const common = [...Object.values<string>({ ...folders }), ...(hasDefaults ? defaultPaths.programs : [])];
  const commonFolders = common.map((entry) => entry.slice(entry.indexOf("/")));
  let paths: readonly string[] | undefined;
  return (path) => {
    if (commonFolders.some((folder) => isAtOrBelow(path, folder))) return true;
    if (root === "host") return isVisible(path);
    // Both the paths as written and those without symlinks are in the root.
    paths ??= entries.flatMap((rule) => [rule.path, realPathOf(rule.path) ?? rule.path]);
    return paths.some((folder) => isAtOrBelow(path, folder));
  };
}

/**
 * Maximum number of folders of a PATH to search. A task may set its PATH, and each folder costs disk access.
 */
const maxFolders = 128;

/**
 * The absolute paths where a command is looked for, in order. Paths are joined but not normalized, so that
 * the kernel interprets "..".
 */
export function candidatesOf(
  command: string,
  { path, workDir }: { readonly path: string | undefined; readonly workDir: string },
): readonly string[] {
  if (isAbsolute(command)) return [command];
  if (command.includes("/")) return [`${workDir}/${command}`];
  const folders = (path ?? "").split(":", maxFolders).filter(isAbsolute);
  return command === "" ? [] : folders.map((folder) => `${folder.replace(/\/+$/, "")}/${command}`);
}

/** Checks only for an execute bit. At the launch, the kernel checks whether the task's user may use it. */
function isExecutable(status: Stats | undefined): boolean {
  return status?.isFile() === true && (status.mode & 0o111) !== 0;
}

/** Undefined for a path that cannot be reached: missing, a symlink loop, or too long. */
function statusOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
