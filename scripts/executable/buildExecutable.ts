/** Makes the single executable: the pinned Node with the program, its code caches, addon and files in it. */
import { execFile } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { Architecture } from "../../src/systemCalls.ts";
import { bundleLoader, bundleProgram } from "./bundle.ts";
import { dropLibrary, embedFunctions, strip } from "./elf.ts";
import { importedCode, importedFunctions } from "./importedCode.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");
const modules = join(root, "node_modules");

/** Options of Node and V8 for the executable. */
const nodeOptions = [
  // Scavenges are few while the program is loaded, and the young generation stays small later.
  "--min-semi-space-size=4",
  "--max-semi-space-size=4",
];

/**
 * @param inspectorPage folder of the inspector's page
 * @param output path of the executable
 */
export async function buildExecutable(
  arch: Architecture,
  inspectorPage: string,
  output: string,
): Promise<void> {
  const folder = mkdtempSync(join(modules, ".executable-"));
  try {
    const assets = await prepareAssets(arch, folder, inspectorPage);
    const node = join(folder, "node");
    writeFileSync(node, runtimeBytes(arch), { mode: 0o755 });
    const config = {
      main: join(folder, "loader.js"),
      executable: node,
      output: join(folder, "executable"),
      disableExperimentalSEAWarning: true,
      execArgv: nodeOptions,
      execArgvExtension: "none",
      assets,
    };
    writeFileSync(config.main, await bundleLoader());
    writeFileSync(join(folder, "config.json"), JSON.stringify(config));
    await run(process.execPath, ["--build-sea", join(folder, "config.json")]);
    mkdirSync(dirname(output), { recursive: true });
    renameSync(config.output, output);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** @returns paths by the names of the assets */
async function prepareAssets(
  arch: Architecture,
  folder: string,
  inspectorPage: string,
): Promise<Record<string, string>> {
  mkdirSync(join(folder, "scripts"));
  for (const [name, code] of await bundleProgram()) writeFileSync(join(folder, "scripts", name), code);
  const compile = join(import.meta.dirname, "compileScripts.ts");
  await run(runtime(arch), [...nodeOptions, "--hash-seed=1", compile, folder]);
  const lmdb = join(folder, "lmdb.node");
  writeFileSync(lmdb, strip(readFileSync(join(modules, `@lmdb/lmdb-linux-${arch}/node.napi.glibc.node`))));
  return {
    "lmdb.node": lmdb,
    "main.wasm.gz": join(modules, "@cdktn/hcl2json/main.wasm.gz"),
    ...filesIn(join(folder, "scripts"), "scripts"),
    ...filesIn(join(folder, "caches"), "caches"),
    ...filesIn(inspectorPage, "inspector"),
  };
}

/** Node without debugging information, and with its own code for functions that it otherwise imports. */
function runtimeBytes(arch: Architecture): Buffer {
  const code = Buffer.from(importedCode[arch], "base64");
  const node = embedFunctions(readFileSync(runtime(arch)), code, importedFunctions);
  return strip(dropLibrary(node, "libatomic.so.1"));
}

function runtime(arch: Architecture): string {
  return join(modules, `node-linux-${arch}/bin/node`);
}

function filesIn(folder: string, prefix: string): Record<string, string> {
  const names = readdirSync(folder).sort();
  return Object.fromEntries(names.map((name) => [`${prefix}/${name}`, join(folder, name)]));
}
