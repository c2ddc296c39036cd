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
    if (block.type === "csi") {
      const message = "CSI volumes are attached by a Nomad client";
      skipOrReport(reader.file, `${place}.${label}`, "csi", message);
      reader.skippedVolumes.add(label);
      return [];
    }
    const volume = attempt(reader.file, () =>
      read(reader, "volume", `${place}.${label}`, block, volumeSchema),
    );
    if (volume === undefined) reader.skippedVolumes.add(label);
    if (volume === undefined) return [];
    const { source, read_only, per_alloc } = volume.attributes;
    return { name: label, source, perAlloc: per_alloc, readOnly: read_only };
  });
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
