/**
 * Loads the scripts into which the program was bundled. Each script has a V8 code cache, so that nothing is
 * compiled at its first use. The build (scripts/executable/) makes the scripts and the caches.
 */
import { dirname } from "node:path";
import { getRawAsset } from "node:sea";
import { Script } from "node:vm";

interface LoadedModule {
  exports: object;
}

type Wrapper = (
  exports: object,
  require: (id: string) => unknown,
  module: LoadedModule,
  filename: string,
  dirname: string,
) => void;

const loaded = new Map<string, LoadedModule>();

/** Runs a script at its first use, and returns what it exports. */
export function loadScript(name: string): object {
  const known = loaded.get(name);
  if (known !== undefined) return known.exports;
  const module: LoadedModule = { exports: {} };
  loaded.set(name, module);
  const { execPath } = process;
  compiled(name).call(module.exports, module.exports, requireFrom, module, execPath, dirname(execPath));
  return module.exports;
}

function compiled(name: string): Wrapper {
  // The build makes the scripts pure ASCII. So V8 needs one byte for each character.
  const source = Buffer.from(getRawAsset(`scripts/${name}`)).toString("latin1");
  const script = new Script(source, {
    filename: name,
    // V8 ignores a cache that was made for another version or other flags.
    cachedData: Buffer.from(getRawAsset(`caches/${name}`)),
  });
  return script.runInThisContext();
}

function requireFrom(id: string): unknown {
  if (id.startsWith("./")) return loadScript(id.slice(2));
  const module = process.getBuiltinModule(id);
  if (module === undefined) throw new Error(`the executable has no module ${id}`);
  return module;
}
