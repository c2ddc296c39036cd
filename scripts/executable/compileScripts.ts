/**
 * Compiles scripts to V8's code caches: `node --hash-seed=1 compileScripts.ts FOLDER`. Reads `scripts` in the
 * folder and writes `caches`. It must run on the Node that will load the caches. All functions are compiled,
 * because the set that a start would compile depends on the host, and the same sources have to give the same
 * bytes.
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
// V8 accepts a cache only if it was made with the same flags with which it is loaded.
setFlagsFromString("--lazy");
setFlagsFromString("--hash-seed=0");
mkdirSync(join(folder, "caches"));
for (const { name, script } of scripts) {
  writeFileSync(join(folder, "caches", name), script.createCachedData());
}
