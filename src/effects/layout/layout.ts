/**
 * What the agent placed: the folders that Nomad gives a task, from the variables in the task's environment, and
 * its volumes and devices. Decides where these are mounted, in which order, and which sources are hidden. Pure.
 */

import { DriverError } from "../../base/errors.ts";
import { isAtOrBelow, isInProc, namesOf, type PathAccess } from "../paths/paths.ts";

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

/** The folders of a task in its allocation's private folder, `<data>/alloc/<alloc>`. */
export function foldersIn(allocDir: string, taskName: string): TaskFolders {
  const rootDir = `${allocDir}/${taskName}`;
  return {
    rootDir,
    taskDir: `${rootDir}/local`,
    allocDir: `${allocDir}/alloc`,
    secretsDir: `${rootDir}/secrets`,
    tmpDir: `${rootDir}/tmp`,
  };
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

/** A volume: a file or folder of the host that is mounted in the task. */
export interface TaskMount {
  readonly source: string;
  /** The path in the job: absolute, or relative to the task's folder. */
  readonly target: string;
  readonly readOnly: boolean;
  readonly propagation: Propagation;
}

/** Whether a running task sees later mounts of the host below a volume's source. */
export type Propagation = "private" | "host-to-task";

/** A device node of the host. */
export interface TaskDevice {
  readonly source: string;
  readonly target: string;
  readonly read: boolean;
  readonly write: boolean;
}

export interface PlacedMount {
  /** `mount`: a file or folder of the task's own, by a `mount` block. */
  readonly kind: "volume" | "device" | "mount";
  /** Path on the host. */
  readonly source: string;
  /** Set for a `mount`: the folder that the agent has made, and the source's path below, in which tasks may put links. */
  readonly own?: { readonly anchor: string; readonly rest: string };
  /** Path that the task sees: absolute, without empty, `.` and `..` segments. */
  readonly target: string;
  /** Access that the task has at the target. */
  readonly mode: PathAccess;
  readonly readOnly: boolean;
  readonly propagation: Propagation;
  /** Set if the files of the volume's owner are to belong to the task's user in the task. */
  readonly isIdmapped?: true;
}

/**
 * Resolves the targets of all mounts, and sorts each mount before the mounts below it.
 * @param idmapped targets of volumes, as in `idmapped_volumes`
 * @throws DriverError `MOUNT_TARGET_INVALID` for a path that is not a valid target, or that is used twice
 * @throws DriverError `CONFIG_INVALID` for a path of `idmapped` at which no volume is
 */
export function placeMounts(
  { mounts, devices }: { readonly mounts: readonly TaskMount[]; readonly devices: readonly TaskDevice[] },
  folders: TaskFolders,
  idmapped: readonly string[] = [],
): PlacedMount[] {
  const mapped = new Set(idmapped.map((path) => targetOf(path, folders)));
  const placed = [...mounts.map(placeVolume), ...devices.map(placeDevice)].map((mount): PlacedMount => {
    const target = targetOf(mount.target, folders);
    const isIdmapped = mount.kind === "volume" && mapped.delete(target);
    return { ...mount, target, ...(isIdmapped && { isIdmapped }) };
  });
  for (const target of mapped) throw noVolumeAt(target, placed);
  for (const { target } of placed) checkTarget(target, folders);
  placed.sort((one, other) => (one.target < other.target ? -1 : 1));
  for (const [index, { target }] of placed.entries()) {
    if (placed[index + 1]?.target === target) {
      throw invalid(target, "is requested twice", "Give each volume_mount a destination of its own");
    }
  }
  return placed;
}

/** The innermost mount that contains a path of the task. */
export function mountAround<Mount extends { readonly target: string }>(
  path: string,
  mounts: readonly Mount[],
): Mount | undefined {
  return mounts.findLast(({ target }) => isAtOrBelow(path, target));
}

/** The host's path for a path of the task. */
export function hostPath(path: string, mounts: readonly Pick<PlacedMount, "source" | "target">[]): string {
  const mount = mountAround(path, mounts);
  return mount === undefined ? path : mount.source + path.slice(mount.target.length);
}

const NOTHING: PathAccess = { read: false, write: false, execute: false, create: false };

function placeVolume({ source, target, readOnly, propagation }: TaskMount): PlacedMount {
  const mode = { read: true, write: !readOnly, execute: true, create: !readOnly };
  return { kind: "volume", source, target, mode, readOnly, propagation };
}

/** Devices are not mounted read-only, because that would not prevent writes to them. */
function placeDevice({ source, target, read, write }: TaskDevice): PlacedMount {
  const mode = { ...NOTHING, read, write };
  return { kind: "device", source, target, mode, readOnly: false, propagation: "private" };
}

function targetOf(path: string, { rootDir }: TaskFolders): string {
  if (path === "" || path.includes("\0")) {
    throw invalid(path, "is not a path", "Give the volume_mount a destination");
  }
  const names = namesOf(path);
  if (names.includes("..")) {
    throw invalid(path, 'has a ".." in it', 'Write the resulting path, without ".."');
  }
  const plain = names.join("/");
  if (path.startsWith("/")) return `/${plain}`;
  return plain === "" ? rootDir : `${rootDir}/${plain}`;
}

function checkTarget(target: string, folders: TaskFolders): void {
  const hidden = Object.values<string>({ ...folders }).find((folder) => isAtOrBelow(folder, target));
  const hidesProc = isInProc(target);
  if (hidden !== undefined) {
    throw invalid(target, `would hide the task's own folder ${hidden}`, "Mount it below that folder");
  }
  if (hidesProc) {
    throw invalid(target, "would hide the task's own /proc", "Choose a destination outside of it");
  }
}

/**
 * The folder that `root_dir` is in, and the path below.
 * @throws DriverError `ROOT_DIR_INVALID` if it can be in none
 */
export function rootDirPlace(
  name: string,
  { rootDir, taskDir, allocDir }: TaskFolders,
): { readonly anchor: string; readonly rest: string } {
  const plain = namesOf(name);
  const [first, ...rest] = plain;
  if (!name.startsWith("/") && first === "alloc" && rest.length > 0)
    return { anchor: allocDir, rest: rest.join("/") };
  const path = name.startsWith("/") ? `/${plain.join("/")}` : `${rootDir}/${plain.join("/")}`;
  const anchor = [taskDir, allocDir].find((folder) => path !== folder && isAtOrBelow(path, folder));
  if (anchor !== undefined && !plain.includes("..")) return { anchor, rest: path.slice(anchor.length + 1) };
  throw new DriverError("ROOT_DIR_INVALID", `root_dir ${JSON.stringify(name)} is not in local/ or alloc/`, {
    hint: "Name a folder there, such as local/rootfs, into which an artifact is unpacked",
  });
}

function noVolumeAt(target: string, placed: readonly PlacedMount[]): DriverError {
  const volumes = placed.flatMap((mount) => (mount.kind === "volume" ? [mount.target] : []));
  const known = volumes.length === 0 ? "The task has none" : `Its volumes are at ${volumes.join(", ")}`;
  return new DriverError("CONFIG_INVALID", `idmapped_volumes names ${target}, where the task has no volume`, {
    option: "idmapped_volumes",
    hint: `${known}: name the destination of a volume_mount`,
  });
}

function invalid(target: string, problem: string, hint: string): DriverError {
  return new DriverError(
    "MOUNT_TARGET_INVALID",
    `the mount destination ${JSON.stringify(target)} ${problem}`,
    {
      hint,
    },
  );
}

/**
 * Finds the sources of volumes that a task may reach only through its mounts.
 *
 * A Landlock rule applies to a folder wherever it is mounted, so a volume's rule opens its source, too. The
 * launch therefore hides the source under a mount. A source stays visible if the task also reaches the
 * source, or a path around or below it, in another way: the mount would take that access away.
 * @param sources resolved paths
 * @param reachable resolved paths of everything else that the task reaches, including the mounts' targets
 */
export function hiddenSources(sources: readonly string[], reachable: readonly string[]): string[] {
  const candidates = [...new Set(sources)].filter(
    (source) => !reachable.some((path) => isAtOrBelow(path, source) || isAtOrBelow(source, path)),
  );
  // Hiding a folder hides all sources below it, too.
  return candidates.filter(
    (source) => !candidates.some((other) => other !== source && isAtOrBelow(source, other)),
  );
}
