/** What a task runs, and where: looked up before the launch, so that a typing error is told as one. */
import { type Stats, statSync } from "node:fs";
import { isAbsolute } from "node:path";
import type { TaskFolders } from "../../config/task/taskFolders.ts";
import { hostPath, mountAround, type PlacedMount } from "../../config/task/taskMounts.ts";
import { DriverError } from "../../errors.ts";

/**
 * The command as execvp(3) would find it, but in the task's `PATH`, never the plugin's.
 * @param command with a "/": a path, relative to the work dir unless absolute; otherwise a name to look for
 * @param options.path the task's `PATH`; of its entries only the absolute ones count
 * @param options.mounts what the task sees otherwise than the host; a path that leads into a
 *   volume is left to the kernel, since its symlinks mean something only in there
 * @param options.root where to look: `/proc/<pid>/root` for what a running process sees
 * @returns an absolute path of a regular file with an execute bit
 * @throws DriverError `COMMAND_NOT_FOUND` telling where it looked
 * @throws DriverError `COMMAND_NOT_EXECUTABLE` where that is all there is
 */
export function resolveCommand(
  command: string,
  options: {
    readonly path: string | undefined;
    readonly workDir: string;
    readonly mounts?: readonly PlacedMount[];
    readonly root?: string;
  },
): string {
  const { mounts = [], root = "" } = options;
  const candidates = candidatesOf(command, options);
  const [only] = candidates;
  if (only !== undefined && command.includes("/") && mountAround(only, mounts) !== undefined) return only;
  const placeOf = (path: string) => root + hostPath(path, mounts);
  const found = candidates.find((path) => isExecutable(placeOf(path)));
  if (found !== undefined) return found;
  const name = JSON.stringify(command);
  for (const path of candidates) {
    const status = statusOf(placeOf(path));
    // A folder of that name in the PATH is passed over, as shells do.
    if (!status?.isFile() && !(status && command.includes("/"))) continue;
    const what = status.isDirectory() ? "a folder" : "no regular file with an execute bit";
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
    hint: "Install the command on the node, fetch it as an artifact, or give its absolute path",
  });
}

/**
 * @param workDir the task's option: absolute, or relative to the task's folder (`local/app`)
 * @returns an absolute path of a folder; without the option the task's folder
 * @throws DriverError `WORK_DIR_INVALID`
 */
export function resolveWorkDir(
  workDir: string | undefined,
  folders: Pick<TaskFolders, "rootDir">,
  mounts: readonly PlacedMount[] = [],
): string {
  if (workDir === undefined) return folders.rootDir;
  const path = isAbsolute(workDir) ? workDir : `${folders.rootDir}/${workDir}`;
  if (mountAround(path, mounts) !== undefined || statusOf(path)?.isDirectory()) return path;
  throw new DriverError(
    "WORK_DIR_INVALID",
    `work_dir ${JSON.stringify(workDir)} is no folder: looked for ${path}`,
    {
      hint: "Give an absolute path, or one relative to the task's folder, such as local/app",
    },
  );
}

/** Folders of a PATH that are looked into: it may be a task's own, and each costs a look at the disk. */
const maxFolders = 128;

/** Paths are joined, not normalized: "..", too, means what it means to the kernel. */
function candidatesOf(
  command: string,
  { path, workDir }: { readonly path: string | undefined; readonly workDir: string },
): readonly string[] {
  if (isAbsolute(command)) return [command];
  if (command.includes("/")) return [`${workDir}/${command}`];
  const folders = (path ?? "").split(":", maxFolders).filter(isAbsolute);
  return command === "" ? [] : folders.map((folder) => `${folder.replace(/\/+$/, "")}/${command}`);
}

/** Whether the task's user may run it is for the kernel to say, at the launch. */
function isExecutable(path: string): boolean {
  const status = statusOf(path);
  return status?.isFile() === true && (status.mode & 0o111) !== 0;
}

/** Undefined for whatever cannot be reached, be it missing, a loop of symlinks or too long a name. */
function statusOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
