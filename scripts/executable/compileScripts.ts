/**
 * Compiles scripts to V8's code caches. All functions are compiled, because the set that a start would
 * compile depends on the host, and the same sources have to give the same bytes. The script must run on the
 * same Node that will load the caches: `node --hash-seed=1 compileScripts.ts FOLDER`, where FOLDER has
 * `scripts`, and gets `caches`.
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
// V8 accepts a cache only if its flags are those with which the cache was made.
setFlagsFromString("--lazy");
setFlagsFromString("--hash-seed=0");
mkdirSync(join(folder, "caches"));
for (const { name, script } of scripts) {
  writeFileSync(join(folder, "caches", name), script.createCachedData());
}
