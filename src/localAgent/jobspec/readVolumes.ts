/** Reads a group's `volume` blocks and the `volume_mount` blocks of its tasks. Pure. */

import { suggestion } from "../../base/suggest.ts";
import type { VolumeMount, VolumeRequest } from "./job.ts";
import { attempt, inside, numbered, report } from "./jobFile.ts";
import { skipOrReport } from "./keys.ts";
import { type JobReader, read } from "./reader.ts";
import { volumeMountSchema, volumeSchema } from "./schemas.ts";
import { asList, body, labelled } from "./syntax.ts";

/** @returns the volumes that a local run has; the file collects the problems of others */
export function readVolumes(reader: JobReader, place: string, value: unknown): VolumeRequest[] {
  return labelled(reader.file, place, value).flatMap(({ label, block }) => {
    const at = `${place}.${label}`;
    const volume = attempt(reader.file, () => read(reader, "volume", at, block, volumeSchema))?.attributes;
    if (volume === undefined || (volume.type === "csi" && lacksCsi(reader, at, volume))) {
      reader.skippedVolumes.add(label);
      return [];
    }
    if (volume.type === "host" && block.mount_options !== undefined)
      report(reader.file, { place: inside(at, "mount_options"), message: "only a CSI volume may have it" });
    const { source, read_only, per_alloc } = volume;
    return { name: label, source, perAlloc: per_alloc, readOnly: read_only };
  });
}

/** Whether nothing stands for a CSI volume: no path of `--host-volume`, which is mounted already. */
function lacksCsi(
  { file }: JobReader,
  place: string,
  { source, per_alloc }: (typeof volumeSchema)["_output"],
): boolean {
  const first = per_alloc ? `${source}[0]` : source;
  if (file.hostVolumes.has(first) && !file.skips.has("csi")) return false;
  const message = `CSI volumes are attached by a Nomad client; --host-volume ${first}=/path stands for it`;
  skipOrReport(file, place, "csi", message);
  return true;
}

/** @returns the mounts of these volumes; the file collects the problems of others */
export function readVolumeMounts(
  reader: JobReader,
  place: string,
  value: unknown,
  volumes: readonly VolumeRequest[],
): VolumeMount[] {
  return asList(value).flatMap((mount, index, all) => {
    const at = numbered(place, index, all);
    const block = body(reader.file, at, mount);
    const mounted = attempt(reader.file, () => read(reader, "volumeMount", at, block, volumeMountSchema));
    if (mounted === undefined) return [];
    const { volume: name, destination, read_only, propagation_mode } = mounted.attributes;
    const volume = volumes.find((each) => each.name === name);
    if (volume === undefined && reader.skippedVolumes.has(name)) return [];
    if (volume === undefined) {
      const message = `the group has no volume "${name}"`;
      const hint = suggestion(
        name,
        volumes.map((each) => each.name),
      );
      report(reader.file, { place: inside(at, "volume"), message, find: name, hint });
      return [];
    }
    return {
      place: at,
      volume,
      destination,
      readOnly: volume.readOnly || read_only,
      propagation: propagation_mode,
    };
  });
}
