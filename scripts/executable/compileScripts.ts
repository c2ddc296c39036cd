/**
 * Compiles scripts to V8's code caches: `node --hash-seed=1 compileScripts.ts FOLDER`. Reads `scripts` in the
 * folder and writes `caches`. It must run on the Node that will load the caches. The same sources have to
 * give the same bytes on every host. Therefore all functions are compiled: the set of functions that a
 * start would compile depends on the host.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { Script } from "node:vm";

const [, , folder = ""] = process.argv;

setFlagsFromString("--no-lazy");
const scripts = readdirSync(join(folder, "scripts")).map((name) => {
  const source = readFileSync(join(folder, "scripts", name), "latin1");
  return { name, script: new Script(source, { filename: name }) };
});
// V8 loads a cache only under the flags with which the cache was made.
setFlagsFromString("--lazy");
setFlagsFromString("--hash-seed=0");
mkdirSync(join(folder, "caches"));
for (const { name, script } of scripts) {
  writeFileSync(join(folder, "caches", name), script.createCachedData());
}
