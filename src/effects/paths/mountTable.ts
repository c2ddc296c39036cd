/**
 * The host's mounts as a table, to find out what a path of the host is: a place in a file system. Two paths are
 * the same file if their places are the same, however they are mounted. Pure.
 */

import { partitionPoint } from "../../base/partitionPoint.ts";
import { type MountLine, mountLines } from "./mountinfo.ts";
import { isAtOrBelow } from "./paths.ts";

/** A folder or file in a file system, whatever its paths on the host are. */
export interface Place {
  /** `major:minor` of the file system. */
  readonly device: string;
  /** The path in the file system, from its own root on. */
  readonly path: string;
}

export class MountTable {
  readonly #byId: ReadonlyMap<number, MountLine>;
  /** Sorted by mount point. */
  readonly #sorted: readonly MountLine[];
  /** By their file systems; made at the first use. */
  #overlays: ReadonlyMap<string, MountLine> | undefined;

  /** @param mountinfo proc_pid_mountinfo(5) */
  constructor(mountinfo: string) {
    const lines = mountLines(mountinfo);
    this.#byId = new Map(lines.map((line) => [line.id, line]));
    this.#sorted = lines.toSorted((one, other) => (one.point < other.point ? -1 : 1));
  }

  /** @param id `mnt_id` of proc_pid_fdinfo(5) */
  byId(id: number): MountLine | undefined {
    return this.#byId.get(id);
  }

  /** The overlay that is a file system, by one of its mounts; undefined for file systems of other types. */
  overlayOf(device: string): MountLine | undefined {
    this.#overlays ??= new Map(
      this.#sorted.filter(({ type }) => type === "overlay").map((line) => [line.device, line]),
    );
    return this.#overlays.get(device);
  }

  /** The mounts at a folder, and at mount points below it. */
  atOrBelow(folder: string): readonly MountLine[] {
    const at = this.#startingWith(folder).filter(({ point }) => point === folder);
    return folder === "/" ? this.#sorted : [...at, ...this.#startingWith(`${folder}/`)];
  }

  #startingWith(prefix: string): readonly MountLine[] {
    const first = partitionPoint(0, this.#sorted.length, (at) => (this.#sorted[at]?.point ?? "") < prefix);
    let end = first;
    while (this.#sorted[end]?.point.startsWith(prefix)) end += 1;
    return this.#sorted.slice(first, end);
  }
}

/** The place of a mount's root. */
export function placeOfRoot({ device, root }: Pick<MountLine, "device" | "root">): Place {
  return { device, path: root };
}

/**
 * The place of a path.
 * @param path without symlinks
 * @param mount the mount that has the path
 */
export function placeOf(path: string, { device, root, point }: MountLine): Place {
  // A path that is not below its mount's point is in a mount that nobody can see any more.
  if (!isAtOrBelow(path, point)) return { device, path: root };
  return placeIn({ device, path: root }, point === "/" ? path : path.slice(point.length));
}

/** @param path below the place, which begins with a slash; empty or `/` for the place itself */
export function placeIn({ device, path: root }: Place, path: string): Place {
  const joined = `${root === "/" ? "" : root}${path === "/" ? "" : path}`;
  return { device, path: joined === "" ? "/" : joined };
}

/** Whether one place is the other or is in it. */
export function isIn(place: Place, other: Place): boolean {
  return place.device === other.device && isAtOrBelow(place.path, other.path);
}
