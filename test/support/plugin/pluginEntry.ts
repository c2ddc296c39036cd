/** Entries of the driver. */
import { dirname, join } from "node:path";

const root = join(import.meta.dirname, "../../..");

/**
 * The entry of the sources as they are now, which Node runs. Under vitest it is a bundle of them: see
 * bundledProgram.ts.
 */
export const programEntry = process.env.TEST_PROGRAM ?? join(root, "src/main.ts");

/** Where Node keeps the compiled code of {@link programEntry}, for `NODE_COMPILE_CACHE`. */
export const compileCache =
  process.env.TEST_PROGRAM === undefined
    ? join(root, "node_modules/.cache/compiled")
    : join(dirname(programEntry), "compiled");

/** The executable for an agent's `plugin_dir`, which `npm run build` makes. */
export const builtEntry = join(root, "dist/plugin/nomad-driver-exec2");
