/**
 * Puts the simulation under the driver: module hooks of Node replace what the driver's modules import from
 * Node's host calls, from the C library, and a few functions of the driver's own modules. Everything else is
 * the real code. To be imported before any module of src/.
 */
import { readFileSync } from "node:fs";
import { builtinModules, createRequire, type LoadFnOutput, registerHooks } from "node:module";
import { fileURLToPath } from "node:url";
import { withVariables } from "./memory.ts";
import type { Edit } from "./mends.ts";
import { replacedNames } from "./replacedNames.ts";
import { simulated } from "./simulated.ts";

const require = createRequire(import.meta.url);
const source = new URL("../../src/", import.meta.url).href;

/** Modules of Node of which src/ gets only what the simulation has. */
const hostModules = ["fs", "fs/promises", "net", "timers/promises", "os", "child_process"];
const libc = "effects/kernel/libc.ts";

/** Made when the driver's modules are loaded. */
export const edits: Edit[] = [];

registerHooks({
  resolve(specifier, context, next) {
    const name = specifier.replace(/^node:/, "");
    if (context.parentURL?.startsWith(source) && builtinModules.includes(name) && hostModules.includes(name))
      return { url: `simulated:${name}`, format: "module", shortCircuit: true };
    return next(specifier, context);
  },
  load(url, context, next) {
    if (url.startsWith("simulated:")) {
      const name = url.slice("simulated:".length);
      return moduleOf(lines(name, Object.keys(require(`node:${name}`))));
    }
    const path = url.startsWith(source) ? url.slice(source.length) : undefined;
    if (path === libc) return moduleOf(lines(path, functionsOf(url)));
    const names = path === undefined ? undefined : replacedNames[path];
    if (names === undefined) return loadedFrom(path, next(url, context));
    const own = `import * as real from ${JSON.stringify(`${url}?real`)};`;
    return moduleOf([
      own,
      `export * from ${JSON.stringify(`${url}?real`)};`,
      ...lines(path as string, names, true),
    ]);
  },
});

/**
 * Edits a module of the driver, and gives it variables for each plugin process.
 * @param path below src/, perhaps with a query; undefined for other modules
 */
function loadedFrom(path: string | undefined, loaded: LoadFnOutput): LoadFnOutput {
  if (path === undefined) return loaded;
  const text = edited(path.replace(/\?.*/, ""), String(loaded.source));
  return { ...loaded, source: withVariables(text, new URL("./memory.ts", import.meta.url).href) };
}

/** @throws Error if an edit's text does not occur exactly once */
function edited(file: string, source: string): string {
  let text = source;
  for (const edit of edits.filter((each) => each.file === file)) {
    const [before, after, ...more] = text.split(edit.text);
    if (after === undefined || more.length > 0)
      throw new Error(`the text to be replaced is not once in ${file}: ${edit.text}`);
    text = `${before}${edit.by}${after}`;
  }
  return text;
}

function moduleOf(text: readonly string[]) {
  const door = JSON.stringify(new URL("./simulated.ts", import.meta.url).href);
  return {
    format: "module" as const,
    source: [`import { simulated } from ${door};`, ...text].join("\n"),
    shortCircuit: true,
  };
}

function lines(path: string, names: readonly string[], hasReal = false): string[] {
  const exported = names.filter((name) => name !== "default" && /^\w+$/.test(name));
  return exported.map((name) => {
    const real = hasReal ? `real.${name}` : "undefined";
    return `export const ${name} = simulated.export(${JSON.stringify(path)}, ${JSON.stringify(name)}, ${real});`;
  });
}

/** Names of the functions that a module of the driver exports. */
function functionsOf(url: string): string[] {
  const text = readFileSync(fileURLToPath(url), "utf8");
  return Array.from(text.matchAll(/^export (?:async )?function (\w+)/gm), ([, name]) => name as string);
}

// Node's own constants are the same in every world.
simulated.values.set("fs#constants", require("node:fs").constants);
simulated.values.set("os#constants", require("node:os").constants);
