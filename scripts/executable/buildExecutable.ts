/**
 * Makes the single executable. It consists of the pinned Node, the program's scripts with their code caches,
 * the native addons, and other files.
 */
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
import type { Architecture } from "../../src/effects/kernel/systemCalls.ts";
import { bundleLoader, bundleProgram } from "./bundle.ts";
import { dropLibrary, embedFunctions, strip } from "./elf.ts";
import { type Target, targetOf } from "./targets.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");

/**
 * Options of the executable. Most options of V8 would make Node discard the code caches of its own modules,
 * which would add 15 ms to each start. These do not.
 */
export const nodeOptions = [
  // The minimum makes scavenges rare while the program is loaded. The maximum keeps the young generation
  // small later. With 4 MiB, a start would take 2 to 5 % less time, but a plugin would use 5 MiB more, and
  // 20 MiB more right after many starts.
  "--min-semi-space-size=2",
  "--max-semi-space-size=2",
  // Otherwise Node parses all its root certificates, on a thread of its own, as soon as http2 is loaded. That takes
  // 9 ms of processor time in each launch, and 1.5 MiB. Who needs them calls `trustBundledRoots`.
  "--use-openssl-ca",
];

/** Builds the executable for arm64 that tests run, after `npm run build`. @returns its path */
export async function buildForArm64(): Promise<string> {
  const output = join(root, "dist/arm64/nomad-driver-exec2");
  await buildExecutable(targetOf("arm64"), join(root, "dist/inspector"), output);
  return output;
}

/**
 * @param inspectorPage folder of the inspector's page
 * @param output path of the executable
 */
export async function buildExecutable(target: Target, inspectorPage: string, output: string): Promise<void> {
  const folder = mkdtempSync(join(root, "node_modules/.executable-"));
  try {
    writeFileSync(join(folder, "node"), runtimeBytes(target), { mode: 0o755 });
    const assets = await prepareAssets(target, folder, inspectorPage);
    // The executable contains the path of its main script. The path is relative, so that the build gives the
    // same bytes in every folder.
    const config = {
      main: "loader.js",
      executable: "node",
      output: "executable",
      disableExperimentalSEAWarning: true,
      execArgv: nodeOptions,
      execArgvExtension: "none",
      assets,
    };
    writeFileSync(join(folder, config.main), await bundleLoader());
    writeFileSync(join(folder, "config.json"), JSON.stringify(config));
    await run(process.execPath, ["--build-sea", "config.json"], { cwd: folder });
    mkdirSync(dirname(output), { recursive: true });
    renameSync(join(folder, config.output), output);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** @returns paths by the names of the assets */
async function prepareAssets(
  { arch, modules, emulator }: Target,
  folder: string,
  inspectorPage: string,
): Promise<Record<string, string>> {
  mkdirSync(join(folder, "scripts"));
  for (const [name, code] of await bundleProgram()) writeFileSync(join(folder, "scripts", name), code);
  const compile = join(import.meta.dirname, "compileScripts.ts");
  const [command = "", ...args] = [...emulator, join(folder, "node")];
  await run(command, [...args, ...nodeOptions, "--hash-seed=1", compile, folder]);
  const addon = (name: string, path: string) => {
    writeFileSync(join(folder, name), strip(readFileSync(join(modules, path))));
    return join(folder, name);
  };
  return {
    "koffi.node": addon("koffi.node", `@koromix/koffi-linux-${arch}/linux_${arch}/koffi.node`),
    "lmdb.node": addon("lmdb.node", `@lmdb/lmdb-linux-${arch}/node.napi.glibc.node`),
    "main.wasm.gz": join(modules, "@cdktn/hcl2json/main.wasm.gz"),
    ...filesIn(join(folder, "scripts"), "scripts"),
    ...filesIn(join(folder, "caches"), "caches"),
    ...filesIn(inspectorPage, "inspector"),
  };
}

/**
 * Node without the data that only debuggers need, and with our own code for some functions. One of them is
 * the only function that Node imports from libatomic, so Node no longer needs this library.
 */
function runtimeBytes({ arch, modules }: Target): Buffer {
  const node = readFileSync(join(modules, `node-linux-${arch}/bin/node`));
  const code = Buffer.from(embeddedCode[arch], "base64");
  return strip(dropLibrary(embedFunctions(node, code, embeddedFunctions), "libatomic.so.1"));
}

function filesIn(folder: string, prefix: string): Record<string, string> {
  const names = readdirSync(folder).sort();
  return Object.fromEntries(names.map((name) => [`${prefix}/${name}`, join(folder, name)]));
}

/**
 * Functions that the executable contains, instead of importing them: their offsets in {@link embeddedCode}.
 */
export const embeddedFunctions = { setrlimit64: 0, __atomic_compare_exchange: 16, getrlimit64: 128 };

/** The code of these functions in base64, assembled from x64.s and arm64.s by `as`. */
export const embeddedCode: Readonly<Record<Architecture, string>> = {
  x64: "uP/////DZi4PH4QAAAAAAEiD/wh1GUiLAkiLCfBID7EOdQa4AQAAAMNIiQIxwMMPC2ZmLg8fhAAAAAAAZmYuDx+EAAAAAABmZi4PH4QAAAAAAGZmLg8fhAAAAAAAZmYuDx+EAAAAAABmZi4PH4QAAAAAAGZmLg8fhAAAAAAAZpBJifCJ/jH/MdJNicK4LgEAAA8FhcB1ZIP+B3UySYM4QHMsukAAAABJi0AISDnQSA9CwlBSSIniRTHSuC4BAAAPBVpZhcB1CkmJEEmJSAgxwMNJgzgYc/e4AQAAAL8CAAAASI01GQAAALpNAAAADwW45wAAAL99AAAADwW4/////8NlcnJvcjogdG9vIG1hbnkgb3BlbiBmaWxlcwpoaW50OiBSYWlzZSB0aGUgbGltaXQgb2Ygb3BlbiBmaWxlczogdWxpbWl0IC1uIDY0Cg==",
  arm64:
    "AACAEsADX9YfIAPVHyAD1R8gAPHBAQBURgBA+WcAQPko/F/IHwEG66EAAFQn/AnIif//NSAAgFLAA1/WXz8D1UgAAPkAAIBSwANf1gAAAAAfIAPVHyAD1R8gA9UfIAPVHyAD1R8gA9UfIAPVHyAD1R8gA9UfIAPVHyAD1R8gA9XkAwGq5QMAKgAAgNLhAwUqAgCA0uMDBKqoIIDSAQAA1MADALW/HABxAQIAVIYcQKnfAAHxogEAVAkIgNL/AAnr5yCJmukfv6kAAIDS4QMFKuIDAJEDAIDSAQAA1OkfwaiAAAC1iRwAqQAAgFLAA1/W32AA8aL//1QICIDSQACA0gEBABCiCYDSAQAA1MgLgNKgD4DSAQAA1AAAgBLAA1/WZXJyb3I6IHRvbyBtYW55IG9wZW4gZmlsZXMKaGludDogUmFpc2UgdGhlIGxpbWl0IG9mIG9wZW4gZmlsZXM6IHVsaW1pdCAtbiA2NAo=",
};
