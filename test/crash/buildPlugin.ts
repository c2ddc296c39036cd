/**
 * Builds the plugin with kill points in it. The bundler wraps the modules that points.ts names. All other
 * modules are the real sources. So the driver itself has no code for tests.
 */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { build, type Plugin } from "rolldown";
import { wrappedModules } from "./points.ts";

const root = join(import.meta.dirname, "../..");
/** Marks the import of the original module, which its wrapper imports. */
const original = "?original";

/** @returns the entry to launch; it is removed when this process ends */
export async function buildCrashPlugin(): Promise<string> {
  // Not in the temporary folder: the bundle imports packages from the node_modules above its own folder.
  const folder = join(root, `node_modules/.cache/crash-${process.pid}`);
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  await build({
    input: { plugin: join(import.meta.dirname, "plugin.ts") },
    platform: "node",
    external: ["koffi", "lmdb", "@cdktn/hcl2json"],
    plugins: [withKillPoints],
    output: { dir: folder, format: "esm", chunkFileNames: "[name].js" },
  });
  return join(folder, "plugin.js");
}

const withKillPoints: Plugin = {
  name: "kill points",
  resolveId(source, importer) {
    if (source.endsWith(original)) return source;
    return importer?.endsWith(original) ? this.resolve(source, importer.slice(0, -original.length)) : null;
  },
  load(id) {
    if (id.endsWith(original)) {
      return { code: readFileSync(id.slice(0, -original.length), "utf8"), moduleType: "ts" };
    }
    const names = wrappedModules[id.slice(join(root, "src/").length)];
    return names && id.startsWith(join(root, "src/")) ? wrapperOf(id, names) : null;
  },
};

/**
 * The source of a wrapper: it exports what the module exports, with kill points around the named functions.
 */
function wrapperOf(path: string, names: readonly string[]): string {
  const text = readFileSync(path, "utf8");
  const wrapped = names.map((name) => {
    // If the function has been renamed, no process would ever pass its kill points.
    if (!new RegExp(`^export (async )?function ${name}\\b`, "m").test(text)) {
      throw new Error(`${path} exports no function ${name}`);
    }
    return `export const ${name} = between("${name}", module.${name});`;
  });
  return [
    `import * as module from "${path}${original}";`,
    `import { between } from "${join(import.meta.dirname, "killPoints.ts")}";`,
    `export * from "${path}${original}";`,
    ...wrapped,
  ].join("\n");
}
