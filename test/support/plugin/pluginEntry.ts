/** How to launch the driver in surroundings that an agent may give it. */
import { join } from "node:path";
import type { StartOptions } from "./startPlugin.ts";

/** The driver's own entry, run from source. */
export const sourceEntry = join(import.meta.dirname, "../../../src/main.ts");

/** What an agent's `plugin_dir` holds: made by `npm run build`. */
export const builtEntry = join(import.meta.dirname, "../../../dist/plugin/nomad-driver-exec2");

/** Launches the plugin from a shell that has prepared its own process for it, which the plugin inherits. */
export function preparedBy(script: string, entry = sourceEntry): StartOptions {
  const command = entry.endsWith(".ts") ? [process.execPath, entry] : [entry];
  return { entry: "/bin/sh", args: ["-c", `${script}\nexec "$@"`, "sh", ...command] };
}
