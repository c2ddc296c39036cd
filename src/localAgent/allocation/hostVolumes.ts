/** Host volumes of a local run: `--host-volume` replaces a client's `host_volume` blocks. */
import { isAbsolute } from "node:path";
import { DriverError } from "../../base/errors.ts";

/**
 * @returns absolute paths by volume name
 * @throws DriverError `CONFIG_INVALID` for a path that is not absolute
 */
export function hostVolumesOf(paths: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
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
