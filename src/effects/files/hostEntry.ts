/** Looks at paths of the host. */
import { lstatSync, readlinkSync, type Stats } from "node:fs";
import type { HostEntry } from "./followPath.ts";

/** Looks at a path without following its last name; undefined if nothing is there. */
export function lookAt(path: string): HostEntry | undefined {
  try {
    const status = lstatSync(path, { throwIfNoEntry: false });
    if (status === undefined) return undefined;
    if (status.isSymbolicLink()) return { kind: "link", target: readlinkSync(path) };
    const isDevice = status.isCharacterDevice() || status.isBlockDevice();
    return { kind: status.isDirectory() ? "folder" : isDevice ? "device" : "file", id: identityOf(status) };
  } catch {
    // Network and FUSE file systems may refuse root. Landlock cannot have a rule on such a path, either.
    return undefined;
  }
}

/** Identifies a file: another file at the same path has another identity. */
export function identityOf({ dev, ino }: Pick<Stats, "dev" | "ino">): string {
  return `${dev}:${ino}`;
}
