/**
 * Rights on paths without symlinks: merges entries, and knows the paths that no learned entry may open. Pure.
 */

import { isAtOrBelow, isInProc } from "../paths/paths.ts";
import { modeOf, type UnveilMode, unionOfModes } from "./unveil.ts";

export interface PathRight {
  readonly path: string;
  readonly mode: UnveilMode;
}

const letters = ["read", "write", "execute", "create"] as const;
const noRights: UnveilMode = modeOf("");

/** The rights that entries give on a path, including entries for folders around it. */
export function rightsAt(path: string, entries: readonly PathRight[]): UnveilMode {
  return entries
    .filter((entry) => isAtOrBelow(path, entry.path))
    .reduce((mode, entry) => unionOfModes(mode, entry.mode), noRights);
}

/** The part of a mode that another mode does not allow. */
export function without(mode: UnveilMode, other: UnveilMode): UnveilMode {
  return {
    read: mode.read && !other.read,
    write: mode.write && !other.write,
    execute: mode.execute && !other.execute,
    create: mode.create && !other.create,
  };
}

export function isNothing(mode: UnveilMode): boolean {
  return letters.every((letter) => !mode[letter]);
}

/** Merges entries for the same path, and sorts the entries by path. */
export function merged(entries: readonly PathRight[]): PathRight[] {
  const modes = new Map<string, UnveilMode>();
  for (const { path, mode } of entries) modes.set(path, unionOfModes(modes.get(path) ?? noRights, mode));
  return [...modes]
    .map(([path, mode]) => ({ path, mode }))
    .toSorted((one, other) => (one.path < other.path ? -1 : 1));
}

/** One entry for a folder replaces the entries in it if at least this many are directly in the folder. */
const manyInFolder = 4;
/** One entry for a folder also replaces the entries in it if at least this many are anywhere below it. */
const manyBelow = 8;

/**
 * Replaces entries with fewer entries that allow at least as much. A folder in which files are created gets
 * the rights that were needed on anything in it, because the next run creates other files. If many entries in
 * a folder have neither `w` nor `c`, one entry for the folder replaces them.
 */
export function collapsed(entries: readonly PathRight[], homes: readonly string[]): PathRight[] {
  let now = withoutCovered(withRightsBelow(merged(entries)));
  const depth = (path: string) => path.split("/").length;
  const folders = new Set(now.flatMap(({ path }) => foldersAround(path)));
  for (const folder of [...folders].toSorted((one, other) => depth(other) - depth(one))) {
    if (!mayStandForItsFiles(folder, homes)) continue;
    const below = now.filter(({ path, mode }) => isAtOrBelow(path, folder) && !mode.write && !mode.create);
    const direct = below.filter(({ path }) => folderOf(path) === folder);
    if (direct.length < manyInFolder && below.length < manyBelow) continue;
    const mode = below.reduce((union, each) => unionOfModes(union, each.mode), noRights);
    now = withoutCovered(merged([...now, { path: folder, mode }]));
  }
  return now;
}

/** Adds to each folder with `c` the rights that are needed below it. */
function withRightsBelow(entries: readonly PathRight[]): PathRight[] {
  return entries.map(({ path, mode }) =>
    mode.create
      ? {
          path,
          mode: entries
            .filter((other) => isAtOrBelow(other.path, path))
            .reduce((union, other) => unionOfModes(union, other.mode), mode),
        }
      : { path, mode },
  );
}

/** Leaves out an entry if entries for folders around its path already allow as much. */
function withoutCovered(entries: readonly PathRight[]): PathRight[] {
  return entries.filter(
    ({ path, mode }) =>
      !isNothing(
        without(
          mode,
          rightsAt(
            path,
            entries.filter((other) => other.path !== path),
          ),
        ),
      ),
  );
}

function foldersAround(path: string): string[] {
  const folder = folderOf(path);
  return folder === "/" ? [] : [folder, ...foldersAround(folder)];
}

/** The folder around a path; `/` for `/`. */
export function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

/**
 * Rewrites a path in any process's folder of /proc to a path in `/proc/self`, because an entry for that path
 * applies to all processes of the task. A thread or a descriptor's link cannot be unveiled, so the folder
 * around it is returned.
 */
export function procPath(path: string): string {
  return path
    .replace(/^\/proc\/(?:\d+|self|thread-self)(?=\/|$)/, "/proc/self")
    .replace(/^(\/proc\/self\/(?:task|fd|fdinfo|map_files))\/.*/, "$1");
}

/** Files and folders with secrets of a usual host: passwords' hashes, private keys, tokens. */
const hostSecrets = new RegExp(
  `^(?:${[
    "/etc/g?shadow-?",
    "/etc/sudoers(?:\\.d)?",
    "/etc/security/opasswd",
    "/etc/krb5\\.keytab",
    "/etc/ssh/ssh_host_[^/]*_key",
    "/etc/ssl/private",
    "/etc/(?:letsencrypt/(?:archive|keys|live)|wireguard|ipsec\\.secrets)",
    "/etc/NetworkManager/system-connections",
    "/etc/nomad(?:\\.d)?",
    "/var/lib/(?:sss|systemd/credential\\.secret)",
    "/proc/kcore",
    "(?:/[^/]+)*/\\.(?:ssh|gnupg|aws|kube|docker)",
  ].join("|")})(?:/|$)`,
);

/**
 * Whether a path is in a place for secrets of the host, which no task is given by an advice. An operator who
 * knows better unveils it anyway.
 */
export function isHostSecret(path: string): boolean {
  return hostSecrets.test(path);
}

/** Why only a person may decide to unveil a path; undefined if a learned policy may unveil it. */
export function whyForbidden(path: string, homes: readonly string[]): string | undefined {
  // An unveil entry cannot contain pattern characters, and `${` or `%{` begins a template in a job file.
  if (/[*?[]|[$%]\{/.test(path)) return "has a character that no entry may have";
  if (path === "/") return "is all of the host";
  // The pattern covers the users of a directory server, who are not in /etc/passwd.
  if (/^\/home(?:\/[^/]+)?$/.test(path) || homes.includes(path)) return "is somebody's home";
  if (isHostSecret(path)) return "holds secrets of the host";
  if (isAtOrBelow(path, "/sys/fs/cgroup")) return "shows all tasks of the host";
  return undefined;
}

/**
 * Folders that many programs share. Even if a task used many files in such a folder, its policy does not get
 * the whole folder.
 */
const sharedFolders = new Set([
  "/dev/shm",
  "/usr/bin",
  "/usr/include",
  "/usr/lib",
  "/usr/local",
  "/usr/sbin",
  "/usr/share",
  "/usr/src",
  "/var/cache",
  "/var/lib",
  "/var/log",
  "/var/run",
  "/var/spool",
  "/var/tmp",
]);

/** Whether many programs have files in the folder, so that an entry for it would open those of others. */
export function isSharedFolder(folder: string): boolean {
  return folder.split("/").length <= 2 || sharedFolders.has(folder);
}

/** Whether one entry for the folder may replace entries for files in it. */
export function mayStandForItsFiles(folder: string, homes: readonly string[]): boolean {
  return (
    !isSharedFolder(folder) &&
    !homes.some((home) => isAtOrBelow(home, folder)) &&
    whyForbidden(folder, homes) === undefined &&
    // The files in a folder of /proc or /sys have nothing to do with each other.
    !isInProc(folder) &&
    !isAtOrBelow(folder, "/sys")
  );
}
