/** Reads a group's `volume` blocks and the `volume_mount` blocks of its tasks. Pure. */

import { suggestion } from "../../base/suggest.ts";
import type { VolumeMount, VolumeRequest } from "./job.ts";
import { attempt, inside, rejectJob } from "./jobFile.ts";
import { skipOrReject } from "./keys.ts";
import { type JobReader, read } from "./reader.ts";
import { volumeMountSchema, volumeSchema } from "./schemas.ts";
import { asList, body, labelled } from "./syntax.ts";

/** @throws DriverError `JOB_INVALID`, also for volumes that need a cluster */
export function readVolumes(reader: JobReader, place: string, value: unknown): VolumeRequest[] {
  return labelled(reader.file, place, value).flatMap(({ label, block }) => {
    if (block.type === "csi") {
      const message = "CSI volumes are attached by a Nomad client";
      attempt(reader.file, () => skipOrReject(reader.file, `${place}.${label}`, "csi", message));
      reader.skippedVolumes.add(label);
      return [];
    }
    const { attributes } = read(reader, "volume", `${place}.${label}`, block, volumeSchema);
    const { source, read_only, per_alloc } = attributes;
    return { name: label, source, perAlloc: per_alloc, readOnly: read_only };
  });
}

/** @throws DriverError `JOB_INVALID`, also for a volume that the group does not have */
export function readVolumeMounts(
  reader: JobReader,
  place: string,
  value: unknown,
  volumes: readonly VolumeRequest[],
): VolumeMount[] {
  return asList(value).flatMap((mount) => {
    const block = body(reader.file, place, mount);
    const { attributes } = read(reader, "volumeMount", place, block, volumeMountSchema);
    const { volume: name, destination, read_only, propagation_mode } = attributes;
    const volume = volumes.find((each) => each.name === name);
    if (volume === undefined && reader.skippedVolumes.has(name)) return [];
    if (volume === undefined) {
      const message = `the group has no volume "${name}"`;
      const hint = suggestion(
        name,
        volumes.map((each) => each.name),
      );
      return rejectJob(reader.file, { place: inside(place, "volume"), message, find: name, hint });
    }
    return {
      volume,
      destination,
      readOnly: volume.readOnly || read_only,
      propagation: propagation_mode,
    };
  });
}
