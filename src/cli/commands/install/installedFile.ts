/** The driver's file in an agent's plugin folder. */
import { lstatSync, readFileSync, readlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { isSea } from "node:sea";
import { DriverError } from "../../../errors.ts";

const name = "nomad-driver-exec2";

/**
 * The driver's path in a plugin folder, and whether the driver is there.
 * @param hints what to do if another file is there, or the package's link
 * @throws DriverError `UNSUPPORTED` in these cases
 */
export function ownPath(
  pluginDir: string,
  hints: Readonly<Record<"other" | "package's link", string>>,
): { readonly path: string; readonly isThere: boolean } {
  const path = join(pluginDir, name);
  const found = kindOf(path);
  if (found === "nothing" || found === "driver") return { path, isThere: found === "driver" };
  const what = found === "other" ? "is not this driver" : "is the link of the Debian package";
  throw new DriverError("UNSUPPORTED", `${path} ${what}; leaving it unchanged`, { hint: hints[found] });
}

/** The path of the running executable. */
export function ownExecutable(): string {
  if (isSea()) return "/proc/self/exe";
  throw new DriverError(
    "UNSUPPORTED",
    `${basename(process.execPath)} runs the driver's sources, which cannot be installed`,
    {
      hint: "Build the executable with `npm run build`, and use that",
    },
  );
}

/** Finds out what is at a path: nothing, this driver, the package's link to it, or something else. */
function kindOf(path: string): "nothing" | "driver" | "package's link" | "other" {
  const status = lstatSync(path, { throwIfNoEntry: false });
  if (status === undefined) return "nothing";
  if (status.isSymbolicLink()) return readlinkSync(path) === `/usr/bin/${name}` ? "package's link" : "other";
  return status.isFile() && isDriver(readFileSync(path)) ? "driver" : "other";
}

/** HashiCorp's driver has the same name, but contains none of this driver's scripts. */
function isDriver(executable: Buffer): boolean {
  return executable.includes("scripts/main.js") && executable.includes("caches/main.js");
}
