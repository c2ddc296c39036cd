/**
 * Compiles scripts to V8's code caches. All functions are compiled: which ones a start would compile depends
 * on the host, and the same sources have to give the same bytes. Run by the very Node that will load them:
 * `node --hash-seed=1 compileScripts.ts FOLDER`, where FOLDER has `scripts`, and gets `caches`.
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
// V8 takes a cache only where its flags are those that the cache was made with.
setFlagsFromString("--lazy");
setFlagsFromString("--hash-seed=0");
mkdirSync(join(folder, "caches"));
for (const { name, script } of scripts) {
  writeFileSync(join(folder, "caches", name), script.createCachedData());
}
