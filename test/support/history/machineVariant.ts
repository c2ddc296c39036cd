/** Makes other versions of the state machine: changes its source, and bundles it as the build does. */
import { cpSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "rolldown";
import { temporaryFolder } from "../host/temporaryFolder.ts";

const root = join(import.meta.dirname, "../../..");

/**
 * @param change of each of the files
 * @param files of src/machines
 * @returns the path of the module
 */
export async function machineVariant(
  change: (source: string) => string,
  files: readonly string[] = ["taskMachine.ts"],
): Promise<string> {
  const folder = temporaryFolder();
  cpSync(join(root, "package.json"), join(folder, "package.json"));
  cpSync(join(root, "src"), join(folder, "src"), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  for (const name of files) {
    const file = join(folder, "src/machines", name);
    const source = readFileSync(file, "utf8");
    const changed = change(source);
    if (changed === source && change !== asItIs) throw new Error(`there was nothing to change in ${name}`);
    writeFileSync(file, changed);
  }
  await build({
    input: { machine: join(folder, "src/machines/machineVersion.ts") },
    platform: "node",
    output: { dir: join(folder, "out"), format: "esm", codeSplitting: false },
    logLevel: "silent",
  });
  return join(folder, "out/machine.js");
}

export const asItIs = (source: string): string => source;
