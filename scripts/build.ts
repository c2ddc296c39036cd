/**
 * Makes dist/: the folder that a Nomad agent's `plugin_dir` points at, with the
 * launcher as its only file, and beside it the bundled program. The pinned
 * runtime and the native addons stay in node_modules.
 */
import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "rolldown";

const root = join(import.meta.dirname, "..");
const launcher = join(root, "dist/plugin/nomad-driver-exec2");

/** Packages with native or WebAssembly parts: loaded from their own folders. */
const unbundled = ["koffi", "lmdb", "@cdktf/hcl2json"];

await rm(join(root, "dist"), { recursive: true, force: true });
await build({
  input: { main: join(root, "src/main.ts") },
  platform: "node",
  external: unbundled,
  output: { dir: join(root, "dist/lib"), format: "esm", minify: true, chunkFileNames: "[name].js" },
});
await mkdir(join(root, "dist/plugin"), { recursive: true });
const script = await readFile(join(root, "scripts/launcher.sh"), "utf8");
await writeFile(launcher, script.replaceAll("@ARCH@", process.arch));
await chmod(launcher, 0o755);
