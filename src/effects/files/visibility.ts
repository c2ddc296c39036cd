/**
 * Which paths of the host a task's user could find by itself. The plugin looks as root, and its errors go to
 * whoever submits jobs. So to a path that the job names, but its user cannot reach, it gives the answer for one
 * that is not there.
 */
import { statSync } from "node:fs";
import { dirname } from "node:path";
import { getxattr } from "../kernel/libc.ts";
import { follow } from "./followPath.ts";
import { lookAt } from "./hostEntry.ts";

/** Who looks. */
export interface Viewer {
  readonly uid: number;
  readonly gid: number;
  /** Gids of supplementary groups. */
  readonly groups: readonly number[];
  /** Whether it has a capability by which it enters all folders. */
  readonly entersAll: boolean;
}

/** Whether something is at a path of the host, and the viewer may enter all folders on the way, those of links, too. */
export type IsVisible = (path: string) => boolean;

export function visibilityFor(viewer: Viewer): IsVisible {
  return (path) => {
    const look = (at: string) => (mayEnter(viewer, dirname(at)) ? lookAt(at) : undefined);
    return follow(path, look) !== undefined;
  };
}

/** @param folder without symlinks */
function mayEnter({ uid, gid, groups, entersAll }: Viewer, folder: string): boolean {
  if (entersAll) return true;
  try {
    const { mode, uid: owner, gid: group } = statSync(folder);
    if (owner === uid) return (mode & 0o100) !== 0;
    const isMember = group === gid || groups.includes(group);
    if ((mode & (isMember ? 0o010 : 0o001)) !== 0) return true;
  } catch {
    return false;
  }
  // An access list may let it in by name: acl(5).
  return getxattr(folder, "system.posix_acl_access") !== undefined;
}
