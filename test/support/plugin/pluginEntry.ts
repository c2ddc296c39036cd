/** Entries of the driver. */
import { join } from "node:path";

/** The entry of the sources, which Node runs. */
export const sourceEntry = join(import.meta.dirname, "../../../src/main.ts");

/** The executable for an agent's `plugin_dir`, which `npm run build` makes. */
export const builtEntry = join(import.meta.dirname, "../../../dist/plugin/nomad-driver-exec2");
