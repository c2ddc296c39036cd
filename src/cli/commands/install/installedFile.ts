/** The driver's file in an agent's plugin folder. */
import { lstatSync, readFileSync, readlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { isSea } from "node:sea";
import { DriverError } from "../../../errors.ts";

const name = "nomad-driver-exec2";

export function installedPath(pluginDir: string): string {
  return join(pluginDir, name);
}

/** What there is at a path: nothing, this driver (or the package's link to it), or something else. */
export function kindOf(path: string): "nothing" | "driver" | "package's link" | "other" {
  const status = lstatSync(path, { throwIfNoEntry: false });
  if (status === undefined) return "nothing";
  if (status.isSymbolicLink()) return readlinkSync(path) === `/usr/bin/${name}` ? "package's link" : "other";
  return status.isFile() && isDriver(readFileSync(path)) ? "driver" : "other";
}

/** The executable that runs. */
export function ownExecutable(): string {
  if (isSea()) return "/proc/self/exe";
  throw new DriverError(
    "UNSUPPORTED",
    `${basename(process.execPath)} runs the driver's sources, which cannot be installed`,
    {
      hint: "Make the executable with `npm run build`, and call that",
    },
  );
}

/** HashiCorp's driver has the same name, but no such scripts in it. */
function isDriver(executable: Buffer): boolean {
  return executable.includes("scripts/main.js") && executable.includes("caches/main.js");
}
