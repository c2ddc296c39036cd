/** Which paths a learned policy never opens, and which folders it never widens an entry to. Pure. */
import { isAtOrBelow } from "../options/unveil.ts";

/** The folder around a path; `/` for `/`. */
export function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

/**
 * As each process of the task has it: what lies in a process's folder of /proc, by whatever number, is in
 * `/proc/self`, and an entry there holds for all processes. A descriptor's link cannot be unveiled.
 */
export function procPath(path: string): string {
  return path
    .replace(/^\/proc\/(?:\d+|self|thread-self)(?=\/|$)/, "/proc/self")
    .replace(/^(\/proc\/self\/(?:task|fd|fdinfo|map_files))\/.*/, "$1");
}

export function isInProc(path: string): boolean {
  return isAtOrBelow(path, "/proc");
}

/** Why a path is for a person to unveil, and never for a program; undefined if nothing is against it. */
export function whyForbidden(path: string, homes: readonly string[]): string | undefined {
  // Entries have no patterns, and a job file's texts are templates.
  if (/[*?[]|[$%]\{/.test(path)) return "has a character that no entry may have";
  if (path === "/") return "is all of the host";
  // Directory servers have users whom /etc/passwd does not know.
  if (/^\/home(?:\/[^/]+)?$/.test(path) || homes.includes(path)) return "is somebody's home";
  if (path.split("/").includes(".ssh")) return "holds keys of ssh";
  return undefined;
}

/** Folders that many programs share: that a task used some files of one does not make it the task's. */
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

/** Whether an entry for the folder may stand for entries of files in it. */
export function mayStandForItsFiles(folder: string, homes: readonly string[]): boolean {
  return (
    folder.split("/").length > 2 &&
    !sharedFolders.has(folder) &&
    !homes.some((home) => isAtOrBelow(home, folder)) &&
    whyForbidden(folder, homes) === undefined &&
    // Each file in /proc and /sys tells of something else.
    !isInProc(folder) &&
    !isAtOrBelow(folder, "/sys")
  );
}
