/** Host volumes of a local run: `--host-volume` replaces a client's `host_volume` blocks. */
import { isAbsolute } from "node:path";
import { DriverError } from "../../base/errors.ts";
import { type JobFile, rejectJob } from "../jobspec/jobFile.ts";

/** Absolute paths by volume name. */
export type HostVolumes = ReadonlyMap<string, string>;

/** @throws DriverError `CONFIG_INVALID` for a path that is not absolute */
export function hostVolumesOf(paths: Readonly<Record<string, string>>): HostVolumes {
  const volumes = new Map(Object.entries(paths));
  for (const [name, path] of volumes) {
    if (isAbsolute(path)) continue;
    throw new DriverError(
      "CONFIG_INVALID",
      `--host-volume ${name}: ${JSON.stringify(path)} is not an absolute path`,
      {
        hint: "As in a client's host_volume block, the path begins with /",
      },
    );
  }
  return volumes;
}

/** @throws DriverError `JOB_INVALID` for a volume without a known path */
export function volumePath(file: JobFile, volumes: HostVolumes, source: string): string {
  return (
    volumes.get(source) ??
    rejectJob(file, {
      place: "volume.source",
      message: `the host volume "${source}" has no path: add --host-volume ${source}=/path`,
      find: source,
    })
  );
}
