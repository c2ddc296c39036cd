/** Loads the machine of another version of the driver, from the module in its build. */
import { accessSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { z } from "zod";
import { DriverError } from "../../../base/errors.ts";
import type { MachineVersion } from "../../../machines/machineVersion.ts";

const callable = z.custom<(...args: never[]) => unknown>(
  (value) => typeof value === "function",
  "no function",
);
const machineSchema = z.object({
  driver: z.string(),
  schema: z.int().positive(),
  initialSnapshot: z.looseObject({ value: z.string(), context: z.looseObject({}) }),
  step: callable,
  readEvent: callable,
});

/**
 * Loads a `dist/replay/machine.js`. Its code runs in this process, with the rights of the caller.
 * @throws DriverError `MACHINE_INVALID` if the file does not exist, or is not such a module
 */
export async function loadMachine(path: string): Promise<MachineVersion> {
  const file = resolve(path);
  let exported: { readonly thisMachine?: unknown };
  try {
    accessSync(path);
  } catch (thrown) {
    throw DriverError.from(thrown, "MACHINE_INVALID", "the machine cannot be read", { hint });
  }
  try {
    // The executable's scripts cannot import() files: node:vm.
    exported = createRequire(file)(file);
  } catch (thrown) {
    throw invalid(path, DriverError.from(thrown, "MACHINE_INVALID", "it cannot be loaded").message, thrown);
  }
  const { error } = machineSchema.safeParse(exported.thisMachine);
  if (error !== undefined) throw invalid(path, z.prettifyError(error).replaceAll(/\s+/g, " "), error);
  return exported.thisMachine as MachineVersion;
}

function invalid(path: string, why: string, cause: unknown): DriverError {
  return new DriverError("MACHINE_INVALID", `${path} exports no machine: ${why}`, { hint, cause });
}

const hint = "Name the dist/replay/machine.js of a build of the driver";
