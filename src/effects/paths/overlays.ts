/**
 * What an overlay shows: overlayfs(5). A file in one of its layers is in the overlay, too, as another file in another
 * file system. So a place in an overlay has further places, and a folder that is closed by its place has to be closed
 * in each of them.
 */
import { closeSync, readlinkSync } from "node:fs";
import { AT_FDCWD, O_PATH, RESOLVE_NO_MAGICLINKS } from "../kernel/constants.ts";
import { tryOpenat2 } from "../kernel/libc.ts";
import { isRemote, mountIdOf } from "./hostMounts.ts";
import { overlayLayers } from "./mountinfo.ts";
import { type MountTable, type Place, placeIn, placeOf } from "./mountTable.ts";

/** A place in a layer, and the type of the file system in which it is. */
export interface LayerPlace {
  readonly place: Place;
  readonly type: string;
}

/** The kernel stacks two overlays (FILESYSTEM_MAX_STACK_DEPTH). A layer that is mounted over seems to be its own overlay. */
const maxStacked = 2;

export class Overlays {
  readonly #mounts: MountTable;
  /** By the paths of layers. */
  readonly #layers = new Map<string, LayerPlace | undefined>();

  constructor(mounts: MountTable) {
    this.#mounts = mounts;
  }

  /**
   * The places in all layers from which an overlay takes what is at a place of it; none for other file systems. Layers
   * count whose paths the mount table has as absolute ones and which this mount namespace still has there, and none on
   * remote file systems, which may not answer.
   */
  below(place: Place): LayerPlace[] {
    return this.#below(place, maxStacked);
  }

  #below(place: Place, stacked: number): LayerPlace[] {
    const overlay = this.#mounts.overlayOf(place.device);
    if (overlay === undefined || stacked === 0) return [];
    return overlayLayers(overlay.options).flatMap((path) => {
      const layer = this.#layerAt(path);
      if (layer === undefined) return [];
      const inLayer = { ...layer, place: placeIn(layer.place, place.path) };
      return [inLayer, ...this.#below(inLayer.place, stacked - 1)];
    });
  }

  #layerAt(path: string): LayerPlace | undefined {
    if (!this.#layers.has(path)) this.#layers.set(path, this.#lookAt(path));
    return this.#layers.get(path);
  }

  #lookAt(path: string): LayerPlace | undefined {
    if (isRemote(path)) return undefined;
    const opened = tryOpenat2(AT_FDCWD, path, { flags: O_PATH, resolve: RESOLVE_NO_MAGICLINKS });
    if (typeof opened !== "number") return undefined;
    try {
      const mount = this.#mounts.byId(mountIdOf(opened));
      if (mount === undefined) return undefined;
      return { place: placeOf(readlinkSync(`/proc/self/fd/${opened}`), mount), type: mount.type };
    } finally {
      closeSync(opened);
    }
  }
}
