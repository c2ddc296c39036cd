/** Host volumes of a local run: what a client's `host_volume` blocks say, `--host-volume` says here. */
import { isAbsolute } from "node:path";
import { DriverError } from "../../errors.ts";
import { type JobFile, rejectJob } from "../../jobspec/jobFile.ts";

/** Absolute paths by the volumes' names. */
export type HostVolumes = ReadonlyMap<string, string>;

/** @throws DriverError `CONFIG_INVALID` for a path that is not absolute */
export function hostVolumesOf(given: Readonly<Record<string, string>>): HostVolumes {
  const volumes = new Map(Object.entries(given));
  for (const [name, path] of volumes) {
    if (isAbsolute(path)) continue;
    throw new DriverError(
      "CONFIG_INVALID",
      `--host-volume ${name}: ${JSON.stringify(path)} is no absolute path`,
      {
        hint: "As in a client's host_volume block, the path begins with /",
      },
    );
  }
  return volumes;
}

/** @throws DriverError `JOB_INVALID` for a volume that nobody has told the path of */
export function volumePath(file: JobFile, volumes: HostVolumes, source: string): string {
  return (
    volumes.get(source) ??
    rejectJob(file, {
      place: "volume.source",
      message: `nobody has said where the host volume "${source}" is: --host-volume ${source}=/path`,
      find: source,
    })
  );
}
