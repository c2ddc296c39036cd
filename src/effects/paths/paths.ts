/** Absolute paths without empty, `.` and `..` segments, and what may be done at a path. Pure. */

/** Access to a path. `create` is about the entries of a folder: making, renaming, linking, removing them. */
export interface PathAccess {
  readonly read: boolean;
  readonly write: boolean;
  readonly execute: boolean;
  readonly create: boolean;
}

/** A path without slashes at its end; the root stays. */
export function withoutSlashes(path: string): string {
  return path.replace(/(?<=.)\/+$/, "");
}

/** The names in a path, without empty and `.` segments, which never change where it leads. */
export function namesOf(path: string): string[] {
  return path.split("/").filter((name) => name !== "" && name !== ".");
}

/** Whether a path is the folder or lies below it; both must be normalized. */
export function isAtOrBelow(path: string, folder: string): boolean {
  if (!path.startsWith(folder)) return false;
  return path.length === folder.length || path[folder.length] === "/" || folder === "/";
}

/** Whether a path is /proc, or lies in it; it must be normalized. */
export function isInProc(path: string): boolean {
  return isAtOrBelow(path, "/proc");
}
