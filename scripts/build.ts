/**
 * Builds dist/:
 *
 * - `plugin`: the folder for a Nomad agent's `plugin_dir`, with the launcher as its only file
 * - `lib`: the bundled program; the pinned runtime and the native addons stay in node_modules
 * - `replay`, `inspect`: the libraries, self-contained and with their types; `replay/machine.js`
 *   is this version's machine, to be kept for every release
 * - `inspector`: the inspector's page
 */
import { execFileSync } from "node:child_process";
import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "rolldown";
import { buildInspectorPage } from "./inspectorPage.ts";

const root = join(import.meta.dirname, "..");
const launcher = join(root, "dist/plugin/nomad-driver-exec2");

/** Packages with native or WebAssembly parts: loaded from their own folders. */
const unbundled = ["koffi", "lmdb", "@cdktn/hcl2json"];

await rm(join(root, "dist"), { recursive: true, force: true });
await build({
  input: { main: join(root, "src/main.ts") },
  platform: "node",
  external: unbundled,
  output: { dir: join(root, "dist/lib"), format: "esm", minify: true, chunkFileNames: "[name].js" },
});
for (const [file, entry] of [
  ["replay/index.js", "src/replay/index.ts"],
  ["replay/machine.js", "src/machines/machineVersion.ts"],
  ["inspect/index.js", "src/inspector/stately/index.ts"],
] as const) {
  await build({
    input: join(root, entry),
    platform: "node",
    output: { file: join(root, "dist", file), format: "esm", minify: true, codeSplitting: false },
  });
}
await buildInspectorPage(join(root, "dist/inspector"));
for (const library of ["replay", "inspect"]) {
  const config = join(root, `tsconfig.${library}.json`);
  execFileSync(join(root, "node_modules/.bin/tsc"), ["-p", config], { stdio: "inherit" });
}
await mkdir(join(root, "dist/plugin"), { recursive: true });
const script = await readFile(join(root, "scripts/launcher.sh"), "utf8");
await writeFile(launcher, script.replaceAll("@ARCH@", process.arch));
await chmod(launcher, 0o755);
