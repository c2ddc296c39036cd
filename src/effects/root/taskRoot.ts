/**
 * Plans the private root of a task's file system: the host's paths that it contains, and the task's own
 * folders. Pure.
 *
 * Landlock alone decides what a task may do with a path. A path outside of the root is missing, not
 * forbidden. So the task cannot see that the path exists, and many programs do without a missing file but
 * fail on a forbidden one.
 */

import type { TaskFolders } from "../layout/layout.ts";
import { isAtOrBelow, isInProc } from "../paths/paths.ts";
import { linkFolders } from "../unveil/defaultPaths.ts";
import { isConfigured, PTS, TMP, type UnveilRules } from "../unveil/unveilRules.ts";

/**
 * The part of a root that tasks with the same unveiled paths share. It has nothing that belongs to a single
 * task. Its lists are in the order of the options, so tasks with the same options have equal lists.
 */
export interface RootTemplate {
  /** Paths of the host that are in the root, if they exist. */
  readonly paths: readonly RootPath[];
  readonly links: readonly RootLink[];
  /** Mount points for each task's own mounts. */
  readonly places: readonly RootPlace[];
}

export interface RootPath {
  readonly path: string;
  readonly writable: boolean;
  /** False if the task has no rights on the path, and only follows symlinks in it. */
  readonly unveiled: boolean;
}

/** A symlink. */
export interface RootLink {
  readonly path: string;
  readonly target: string;
}

export interface RootPlace {
  readonly path: string;
  readonly isFolder: boolean;
}

/** The task's own part of its root. */
export interface OwnRoot {
  /** Folders of the host that the task has at the same paths. None is inside another. */
  readonly folders: readonly string[];
  /**
   * Parents of {@link folders}. Their paths are the same for all allocations. In the root they contain only
   * {@link folders}.
   */
  readonly parents: readonly string[];
  /** Which of /dev/shm, /dev/pts and /sys/fs/cgroup are the task's own. */
  readonly ownMounts: readonly string[];
  /**
   * Whether to mask files of /proc that describe the host. With the default options this is not necessary,
   * because no rule allows reading these files.
   */
  readonly maskProc: boolean;
}

export interface TaskRoot extends OwnRoot {
  readonly template: RootTemplate;
}

export interface RootInput {
  readonly rules: UnveilRules;
  readonly folders: TaskFolders;
  readonly allocId: string;
  /** Paths that the task sees through bind mounts, such as a generated `/etc/hosts`. */
  readonly bound: readonly { readonly source: string; readonly target: string }[];
  /** Targets of volumes and devices. */
  readonly mounts: readonly { readonly target: string; readonly isFolder: boolean }[];
  /** Whether unveil_defaults is set. */
  readonly defaults: boolean;
  /** Whether to mask /proc, even if the options name no path in it. */
  readonly maskProc: boolean;
}

const pathsOfLinks = linkFolders.map((path): RootPath => ({ path, writable: false, unveiled: false }));

/** Plans the root for a task's rules, folders and mounts. */
export function taskRoot({
  rules,
  folders,
  allocId,
  bound,
  mounts,
  defaults,
  maskProc,
}: RootInput): TaskRoot {
  const { entries, privateTmp } = rules;
  const own = outermost(Object.values<string>({ ...folders }));
  const isOwn = (path: string) => own.some((folder) => isAtOrBelow(path, folder));
  const hidden = new Set(bound.map(({ source }) => source));
  const paths: RootPath[] = [];
  const ownMounts: string[] = [];
  const made: string[] = [];
  for (const { path, mode, sources, target, ownRoot, inMemory, madeByTask, inRootDir } of entries) {
    if (madeByTask || inMemory) made.push(path);
    else if (ownRoot) {
      if (path !== TMP) ownMounts.push(path);
    } else if (inRootDir) continue;
    else if (target !== undefined || sources.includes("volume")) continue;
    else if (!hidden.has(path) && !isOwn(path) && !isInProc(path))
      paths.push({ path, writable: mode.write || mode.create, unveiled: true });
  }
  if (defaults) paths.push(...pathsOfLinks);
  const places = [
    ...["/proc", ...ownMounts, ...(privateTmp ? [TMP] : []), ...made].map(folderAt),
    ...bound.map(({ target }) => ({ path: target, isFolder: false })),
    ...mounts
      .filter(({ target }) => !isOwn(target) && !(privateTmp && isAtOrBelow(target, TMP)))
      .map(({ target, isFolder }) => ({ path: target, isFolder })),
  ];
  const parents: string[] = [];
  for (const folder of own) {
    const parent = parentOf(folder, allocId);
    if (paths.some(({ path }) => isAtOrBelow(parent, path))) continue;
    // A mount over the parent would hide other paths in it, so the folder itself becomes a mount point. Its
    // path has the allocation's id, so no other allocation shares this template.
    if ([...paths, ...places].some(({ path }) => isAtOrBelow(path, parent))) places.push(folderAt(folder));
    else if (!parents.includes(parent)) parents.push(parent);
  }
  places.push(...parents.map(folderAt));
  return {
    template: {
      paths,
      links: ownMounts.includes(PTS) ? [{ path: "/dev/ptmx", target: "pts/ptmx" }] : [],
      places,
    },
    folders: own,
    parents,
    ownMounts,
    maskProc: maskProc || entries.some((rule) => isConfigured(rule) && isInProc(rule.path)),
  };
}

function folderAt(path: string): RootPlace {
  return { path, isFolder: true };
}

/** The folders that are not inside another folder of the list. */
function outermost(folders: readonly string[]): string[] {
  return folders.filter(
    (folder, index) =>
      folders.indexOf(folder) === index &&
      !folders.some((other) => other !== folder && isAtOrBelow(folder, other)),
  );
}

/**
 * The parent of the folder that is named after the allocation. This parent is the same for all allocations,
 * so their tasks can share a template.
 */
function parentOf(path: string, allocId: string): string {
  const named = allocId === "" ? -1 : path.indexOf(allocId);
  return path.slice(0, path.lastIndexOf("/", named === -1 ? undefined : named)) || "/";
}

/** Whether two templates make equal roots. */
export function isSameTemplate(one: RootTemplate, other: RootTemplate): boolean {
  return (
    hasSame(
      one.paths,
      other.paths,
      (a, b) => a.path === b.path && a.writable === b.writable && a.unveiled === b.unveiled,
    ) &&
    hasSame(one.links, other.links, (a, b) => a.path === b.path && a.target === b.target) &&
    hasSame(one.places, other.places, (a, b) => a.path === b.path && a.isFolder === b.isFolder)
  );
}

function hasSame<Entry>(
  one: readonly Entry[],
  other: readonly Entry[],
  isSame: (a: Entry, b: Entry) => boolean,
): boolean {
  return one.length === other.length && one.every((entry, index) => isSame(entry, other[index] as Entry));
}

/** The root of the run's file system. The plan inherits a descriptor of the mount namespace to copy. */
export type LaunchRoot =
  /** The host's tree. */
  | { readonly kind: "host" }
  /** A copy of a template. */
  | (OwnRoot & {
      readonly kind: "private";
      /** Size of /dev/shm. */
      readonly shmBytes: number;
    });
