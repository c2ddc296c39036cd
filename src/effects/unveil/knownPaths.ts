/**
 * Caches which files the default paths lead to on this host. Every task has these forty paths, and a start
 * would need 0.4 ms to look up and open all of them. So they are looked up again only after a change.
 *
 * A path leads to another file only after a change of a mount, or of a name in a folder along the path. The
 * kernel reports both kinds of changes: see `hostMounts`, and inotify(7). Paths through file systems that do
 * not report all changes are not cached: each start looks them up.
 */
import { closeSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import * as k from "../kernel/constants.ts";
import { drainInotify, inotifyAddWatch, inotifyInit, NAME_CHANGES } from "../kernel/inotify.ts";
import { poll } from "../kernel/libc.ts";
import { follow } from "../paths/followPath.ts";
import { type HostMounts, hostMounts, isRemote } from "../paths/hostMounts.ts";
import { lookAt } from "../paths/hostPaths.ts";
import { defaultEntries, ownRootPaths } from "./defaultPaths.ts";
import { type Found, findPath } from "./unveiledPaths.ts";
import { TMP } from "./unveilRules.ts";

type FoundOnHost = Extract<Found, { at: "host" }>;
type Known =
  | Exclude<Found, FoundOnHost>
  | ({ readonly at: "known" } & Pick<FoundOnHost, "kind" | "identity">);

export type KnownPaths = ReadonlyMap<string, Known>;

interface Look {
  readonly paths: KnownPaths;
  /** The host's mounts at the time of the lookup. */
  readonly mounts: HostMounts;
}

let last: Look | undefined;
let inotify: number | undefined;

/**
 * The default paths, except those whose changes are not reported. Empty if a lookup or a watch fails, for
 * example because the host has no inotify instance left.
 */
export function knownPaths(): KnownPaths {
  const mounts = hostMounts();
  if (last?.mounts === mounts && inotify !== undefined && !poll(inotify, k.POLLIN)) return last.paths;
  try {
    inotify ??= inotifyInit();
    last = { paths: lookUp(inotify), mounts };
    return last.paths;
  } catch {
    last = undefined;
    return new Map();
  }
}

function lookUp(inotify: number): KnownPaths {
  // Discards the reports of earlier changes. Later changes are noticed at the next call.
  drainInotify(inotify);
  const paths = new Map<string, Known>();
  const watched = new Map<string, boolean>();
  const isReported = (path: string) =>
    foldersOnTheWay(path).every((folder) => {
      const known = watched.get(folder) ?? isWatched(inotify, folder);
      watched.set(folder, known);
      return known;
    });
  for (const entry of [...defaultEntries, ...ownRootPaths]) {
    const { path } = entry;
    // `/tmp` is always the task's own.
    if (path === TMP || !isReported(path)) continue;
    const found = findPath({ path, mode: entry.mode, sources: ["default"] });
    if (found.at === "host") closeSync(found.descriptor);
    const known = found.at === "host" ? ({ ...found, at: "known" } as const) : found;
    // Checked again: a folder on the way may have been replaced before it was watched.
    if (isReported(path)) paths.set(path, known);
  }
  return paths;
}

function foldersOnTheWay(path: string): string[] {
  const folders = new Set<string>();
  follow(path, (at) => {
    folders.add(dirname(at));
    return lookAt(at);
  });
  return [...folders];
}

/** Whether changes in a folder are reported from now on. */
function isWatched(inotify: number, folder: string): boolean {
  if (unreported.has(statfsSync(folder).type) || isRemote(folder)) return false;
  inotifyAddWatch(inotify, folder, NAME_CHANGES);
  return true;
}

const unreported: ReadonlySet<number> = new Set([k.PROC_SUPER_MAGIC, k.SYSFS_MAGIC, k.CGROUP2_SUPER_MAGIC]);
