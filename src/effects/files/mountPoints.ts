/** Turns the mounts that a task requests into the mounts that its init makes. */

import type { TaskFolders } from "../../config/task/taskFolders.ts";
import { hiddenSources, mountAround, type PlacedMount } from "../../config/task/taskMounts.ts";
import type { Propagation } from "../../config/task/taskRequest.ts";
import { TMP, type UnveilRules } from "../../config/task/unveilRules.ts";
import { isAtOrBelow } from "../../config/values/unveil.ts";
import { realPathOf } from "./commandLookup.ts";
import { findSource } from "./mountSource.ts";
import { folderInTask, type MountPlace, prepareTarget } from "./mountTarget.ts";
import type { IsVisible } from "./visibility.ts";

/** A volume or device to mount, with all mounts below its source. */
export interface LaunchMount {
  readonly kind: "volume" | "device";
  readonly source: string;
  /** Must exist by the time of the mount. A target with a symlink in its path is refused. */
  readonly target: string;
  readonly readOnly: boolean;
  readonly propagation: Propagation;
}

/** A path of the host whose content the task's mount namespace hides. */
export interface HiddenPath {
  readonly path: string;
  readonly isFolder: boolean;
}

export interface MountPoints {
  readonly mounts: readonly (LaunchMount & { readonly isFolder: boolean })[];
  readonly hidden: readonly HiddenPath[];
}

/**
 * Checks sources and targets, and creates targets in the task's own folders.
 * @param placed sorted by target
 * @param isVisible whether the task's user can see a path of the host
 * @throws DriverError as `findSource` and `prepareTarget` do
 */
export function prepareMounts(
  placed: readonly PlacedMount[],
  folders: TaskFolders,
  { entries, privateTmp, root }: UnveilRules,
  isVisible: IsVisible,
): MountPoints {
  if (placed.length === 0) return { mounts: [], hidden: [] };
  const made: MadeMount[] = [];
  const volumes = new Map<string, boolean>();
  for (const mount of placed) {
    const { kind, target, readOnly, propagation } = mount;
    const source = findSource(mount);
    if (kind === "volume") volumes.set(source.path, source.isFolder);
    // A device at its own path needs no mount.
    else if (mount.source === target) continue;
    const { place, pathInTask } = placeOf(target, made, folders, { privateTmp, root });
    // In a private root the template provides the mount point, unless it is below an unveiled path of the
    // host.
    const isHosts = root === "host" || entries.some(({ path }) => isAtOrBelow(target, path));
    if (place.within !== "host" || isHosts) prepareTarget(place, source.isFolder, isVisible);
    const { path, isFolder } = source;
    made.push({ target, mount: { kind, source: path, target: pathInTask, readOnly, propagation, isFolder } });
  }
  const mounts = made.map(({ mount }) => mount);
  // A private root contains no source, unless the source itself is unveiled.
  if (root === "private") return { mounts, hidden: [] };
  const own = Object.values<string>({ ...folders });
  const unveiled = entries.filter(({ sources }) => !sources.includes("volume")).map(({ path }) => path);
  const reachable = [...own, ...unveiled, ...(privateTmp ? [TMP] : [])].flatMap(
    // No task can reach a missing path.
    (path) => realPathOf(path) ?? [],
  );
  const hidden = hiddenSources([...volumes.keys()], [...reachable, ...mounts.map(({ target }) => target)]);
  return { mounts, hidden: hidden.map((path) => ({ path, isFolder: volumes.get(path) === true })) };
}

interface MadeMount {
  /** The target's path in the job. */
  readonly target: string;
  readonly mount: MountPoints["mounts"][number];
}

interface PlaceInTask {
  readonly place: MountPlace;
  /** The path of the mount point in the task, without symlinks. */
  readonly pathInTask: string;
}

function placeOf(
  target: string,
  made: readonly MadeMount[],
  folders: TaskFolders,
  rules: Pick<UnveilRules, "privateTmp" | "root">,
): PlaceInTask {
  const outer = mountAround(target, made);
  if (outer !== undefined) {
    const rest = below(outer.target);
    const { source: anchor, target: outerPath } = outer.mount;
    return { place: { target, anchor, rest, within: "volume" }, pathInTask: `${outerPath}/${rest}` };
  }
  // The task's /tmp is its own tmp folder.
  if (rules.privateTmp && target !== TMP && isAtOrBelow(target, TMP)) {
    const { place } = placeOf(`${folders.tmpDir}/${below(TMP)}`, made, folders, {
      ...rules,
      privateTmp: false,
    });
    return { place: { ...place, target }, pathInTask: target };
  }
  const anchor = [folders.rootDir, folders.allocDir].find((folder) => isAtOrBelow(target, folder));
  if (anchor === undefined) {
    return { place: { target, anchor: "/", rest: below(""), within: "host" }, pathInTask: target };
  }
  const rest = below(anchor);
  const pathInTask = `${folderInTask(anchor, rules.root)}/${rest}`;
  return { place: { target, anchor, rest, within: "task" }, pathInTask };

  function below(folder: string): string {
    return target.slice(folder.length + 1);
  }
}
