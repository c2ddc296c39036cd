/**
 * `npm run test:fuzz [target] [seconds]`: fuzzes a target guided by coverage, with libFuzzer (Jazzer.js).
 * Without arguments each target runs for a minute. Found inputs go to test-results/fuzz. An input that shows
 * a defect is printed as a line for the corpus.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "rolldown";
import { corpusFile, inputsOf } from "./corpus.ts";
import { type TargetName, targetNames, targets } from "./targets.ts";

const root = join(import.meta.dirname, "../..");
const results = join(root, "test-results/fuzz");
const bundle = join(results, "bundle");
const [chosen, seconds = "60"] = process.argv.slice(2);

const names = chosen === undefined ? targetNames : targetNames.filter((name) => name === chosen);
if (names.length === 0 || !/^\d+$/.test(seconds)) {
  console.error(`npm run test:fuzz [target] [seconds]; the targets are ${targetNames.join(", ")}`);
  process.exit(2);
}

/**
 * Of Jazzer.js's bug detectors only the one for prototype pollution is useful. No target runs commands, opens
 * files or makes connections that depend on the input. The detector of evaluated code would report msgpackr,
 * which compiles record readers but quotes the names in them.
 */
const unfitDetectors = ["command-injection", "path-traversal", "ssrf", "remote-code-execution"];

await bundleTargets();
const failed: TargetName[] = [];
for (const name of names) if (!(await fuzz(name))) failed.push(name);
console.log(failed.length === 0 ? "no defect was found" : `defects were found in ${failed.join(", ")}`);
process.exit(failed.length === 0 ? 0 : 1);

/**
 * Jazzer.js instruments CommonJS modules when it loads them, so all code to be instrumented is bundled into
 * one file.
 */
async function bundleTargets(): Promise<void> {
  rmSync(bundle, { recursive: true, force: true });
  await build({
    input: { targets: join(import.meta.dirname, "targets.ts") },
    platform: "node",
    external: ["koffi", "lmdb", "@cdktn/hcl2json"],
    output: { dir: bundle, format: "cjs", entryFileNames: "[name].cjs", codeSplitting: false },
    logLevel: "silent",
  });
  for (const name of targetNames) {
    const lines = ['const { targets } = require("./targets.cjs");', `exports.fuzz = targets.${name}.fuzz;`];
    writeFileSync(join(bundle, `${name}.cjs`), `${lines.join("\n")}\n`);
  }
}

/** @returns true if no input showed a defect */
async function fuzz(name: TargetName): Promise<boolean> {
  const found = join(results, name);
  const kept = join(results, `${name}-kept`);
  rmSync(kept, { recursive: true, force: true });
  for (const folder of [found, kept]) mkdirSync(folder, { recursive: true });
  const inputs = await inputsOf(name);
  for (const input of inputs) {
    writeFileSync(join(kept, createHash("sha1").update(input).digest("hex")), input);
  }
  const artifact = join(results, `${name}-defect`);
  rmSync(artifact, { force: true });
  console.log(`${name}: ${seconds} s`);
  // Without --sync, Jazzer.js awaits the returned promise.
  const isAsync = targets[name].fuzz(inputs[0] ?? Buffer.alloc(0)) instanceof Promise;
  const { status } = spawnSync(
    process.execPath,
    [
      join(root, "tools/fuzz/node_modules/@jazzer.js/core/dist/cli.js"),
      join(bundle, `${name}.cjs`),
      ...[...(isAsync ? [] : ["--sync"]), "--timeout", "10000"],
      ...unfitDetectors.flatMap((detector) => ["--disableBugDetectors", detector]),
      ...["--", found, kept, `-max_total_time=${seconds}`, `-exact_artifact_path=${artifact}`],
      ...["-max_len=4096", "-rss_limit_mb=4096", "-print_final_stats=1", "-verbosity=1"],
    ],
    { cwd: root, stdio: "inherit" },
  );
  if (status === 0) return true;
  console.log(`${name}: fix the defect, and keep the input as a line of ${corpusFile(name)}:`);
  console.log(readdirSync(results).includes(`${name}-defect`) ? readFileSync(artifact, "base64") : "(none)");
  return false;
}
