/**
 * The skeleton of a root: the folders, symlinks and mount points that lead to the root's paths, as on the
 * host. Pure.
 */

import { follow, type LookAt } from "../paths/followPath.ts";
import { isAtOrBelow, namesOf } from "../paths/paths.ts";
import { folderOf } from "../unveil/pathRights.ts";
import type { RootLink, RootTemplate } from "./taskRoot.ts";

export interface Skeleton {
  /** Parents first. */
  readonly folders: readonly string[];
  readonly links: readonly RootLink[];
  /** Empty files, over which files are mounted. */
  readonly files: readonly string[];
  /** Outer binds first. */
  readonly binds: readonly RootBind[];
  /** For each existing path of the template: the `id` of the file to which it leads. */
  readonly identities: ReadonlyMap<string, string>;
}

/** A path of the host, without symlinks. The root has this path and everything that is mounted below it. */
export interface RootBind {
  readonly path: string;
  readonly writable: boolean;
  /** Whether device nodes in it work. */
  readonly devices: boolean;
}

export function skeletonOf({ paths, links, places }: RootTemplate, lookAt: LookAt): Skeleton {
  const identities = new Map<string, string>();
  const crossed = new Map(links.map(({ path, target }) => [path, target]));
  const found = new Map<string, RootBind & { readonly isFolder: boolean }>();
  for (const { path, writable } of paths) {
    const walk = follow(path, lookAt);
    if (walk === undefined) continue;
    for (const link of walk.links) crossed.set(link.path, link.target);
    if (walk.end === undefined) continue;
    const { path: end, entry } = walk.end;
    identities.set(path, entry.id);
    found.set(end, {
      path: end,
      // A read-only mount does not stop writes to a device. Such a mount protects only the node's mode, which
      // no task needs to change.
      writable: entry.kind !== "device" && (writable || found.get(end)?.writable === true),
      devices: entry.kind === "device" || isAtOrBelow(end, "/dev"),
      isFolder: entry.kind === "folder",
    });
  }
  const binds = withoutRedundant([...found.values()].toSorted(byPath));
  const bound = new Map(binds.map((bind) => [bind.path, bind]));
  const inBind = (path: string) => innermostAround(path, bound) !== undefined;
  const made = [...crossed].filter(([path]) => !inBind(path)).map(([path, target]) => ({ path, target }));
  const points = places
    .map((place) => ({ ...place, path: insideRoot(place.path, crossed) }))
    .filter(({ path }) => !inBind(path));
  const outer = binds.filter(({ path }) => path === "/" || !inBind(folderOf(path)));
  const isFolder = ({ path }: RootBind) => found.get(path)?.isFolder === true;
  const folders = new Set([
    ...[...outer.filter(isFolder), ...points.filter((point) => point.isFolder)].map(({ path }) => path),
    ...[...outer, ...points, ...made].flatMap(({ path }) => ancestors(path)),
  ]);
  folders.delete("/");
  const files = [...outer.filter((bind) => !isFolder(bind)), ...points.filter((point) => !point.isFolder)];
  const isFree = (path: string) => !folders.has(path);
  return {
    folders: [...folders].toSorted(),
    links: made.filter(({ path }) => isFree(path)),
    files: [...new Set(files.map(({ path }) => path))].filter(isFree),
    binds: binds.map(({ path, writable, devices }) => ({ path, writable, devices })),
    identities,
  };
}

/** Follows a path in a root that has only these links. */
function insideRoot(path: string, links: ReadonlyMap<string, string>): string {
  const walk = follow(path, (at) => {
    const target = links.get(at);
    return target === undefined ? { kind: "folder", id: "" } : { kind: "link", target };
  });
  return walk?.end?.path ?? path;
}

/**
 * Leaves out each bind below another bind that permits at least as much. The outer bind already contains the
 * inner path.
 */
function withoutRedundant<Bind extends RootBind>(sorted: readonly Bind[]): Bind[] {
  const kept = new Map<string, Bind>();
  for (const bind of sorted) {
    const around = innermostAround(bind.path, kept);
    const covered = around && (around.writable || !bind.writable) && (around.devices || !bind.devices);
    if (!covered) kept.set(bind.path, bind);
  }
  return [...kept.values()];
}

/** The innermost of the folders that contain a path, or are at it. Takes time by the path's depth only. */
function innermostAround<Bind>(path: string, folders: ReadonlyMap<string, Bind>): Bind | undefined {
  for (let at = path; ; at = folderOf(at)) {
    const found = folders.get(at);
    if (found !== undefined || at === "/") return found;
  }
}

/** All folders around a path, the outermost first. */
function ancestors(path: string): string[] {
  const names = namesOf(path);
  return names.slice(0, -1).map((_, index) => `/${names.slice(0, index + 1).join("/")}`);
}

/** Sorts each path before the paths below it. */
function byPath(one: { readonly path: string }, other: { readonly path: string }): number {
  return one.path < other.path ? -1 : 1;
}
