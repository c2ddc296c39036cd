/** Entries of the driver. */
import { dirname, join } from "node:path";
import { bundledProgram } from "./bundledProgram.ts";

/** The entry of the sources as they are now, in a bundle, which Node runs. */
export const programEntry = await bundledProgram();

/** Where Node keeps the compiled code of {@link programEntry}, for `NODE_COMPILE_CACHE`. */
export const compileCache = join(dirname(programEntry), "compiled");

/** The executable for an agent's `plugin_dir`, which `npm run build` makes. */
export const builtEntry = join(import.meta.dirname, "../../../dist/plugin/nomad-driver-exec2");
