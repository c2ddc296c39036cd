/** Decides which paths a learned policy never opens, and to which folders it never widens an entry. Pure. */
import { isAtOrBelow, isInProc } from "../values/unveil.ts";

/** The folder around a path; `/` for `/`. */
export function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

/**
 * Rewrites a path in any process's folder of /proc to `/proc/self`, where an entry applies to all processes
 * of the task. For a descriptor's link, which cannot be unveiled, returns the link's folder.
 */
export function procPath(path: string): string {
  return path
    .replace(/^\/proc\/(?:\d+|self|thread-self)(?=\/|$)/, "/proc/self")
    .replace(/^(\/proc\/self\/(?:task|fd|fdinfo|map_files))\/.*/, "$1");
}

/** Why only a person may decide to unveil a path; undefined if a program may unveil it. */
export function whyForbidden(path: string, homes: readonly string[]): string | undefined {
  // Unveil entries may have no pattern characters, and in a job file `${` begins a template.
  if (/[*?[]|[$%]\{/.test(path)) return "has a character that no entry may have";
  if (path === "/") return "is all of the host";
  // Directory servers have users whom /etc/passwd does not know.
  if (/^\/home(?:\/[^/]+)?$/.test(path) || homes.includes(path)) return "is somebody's home";
  if (path.split("/").includes(".ssh")) return "holds keys of ssh";
  return undefined;
}

/**
 * Folders that many programs share. Even if a task used many files of one, its policy does not get the whole
 * folder.
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

/** Whether one entry for the folder may replace entries for files in it. */
export function mayStandForItsFiles(folder: string, homes: readonly string[]): boolean {
  return (
    folder.split("/").length > 2 &&
    !sharedFolders.has(folder) &&
    !homes.some((home) => isAtOrBelow(home, folder)) &&
    whyForbidden(folder, homes) === undefined &&
    // The files in /proc and /sys have nothing in common.
    !isInProc(folder) &&
    !isAtOrBelow(folder, "/sys")
  );
}
