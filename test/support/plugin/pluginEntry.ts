/** Ways to launch the driver like agents. */
import { join } from "node:path";
import type { StartOptions } from "./startPlugin.ts";

/** The driver's own entry, run from source. */
export const sourceEntry = join(import.meta.dirname, "../../../src/main.ts");

/** The executable for an agent's `plugin_dir`, which `npm run build` makes. */
export const builtEntry = join(import.meta.dirname, "../../../dist/plugin/nomad-driver-exec2");

/**
 * Launches the plugin from a shell whose script first changes its own process attributes, which the plugin
 * inherits.
 */
export function preparedBy(script: string, entry = sourceEntry): StartOptions {
  const command = entry.endsWith(".ts") ? [process.execPath, entry] : [entry];
  return { entry: "/bin/sh", args: ["-c", `${script}\nexec "$@"`, "sh", ...command] };
}
