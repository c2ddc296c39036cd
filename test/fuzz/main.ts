/**
 * `npm run test:fuzz [target] [seconds]`: leads a target's inputs by the code that they reach, with
 * libFuzzer (Jazzer.js). Without arguments each target has a minute. What is found goes to
 * test-results/fuzz, and an input that shows a defect is printed as a line for the kept ones.
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
 * Of the detectors of bugs, that of changed prototypes fits. No target runs commands, opens files or
 * connects by its input. msgpackr compiles readers of records, with their names quoted, which is no foreign code.
 */
const unfitDetectors = ["command-injection", "path-traversal", "ssrf", "remote-code-execution"];

await bundleTargets();
const failed: TargetName[] = [];
for (const name of names) if (!(await fuzz(name))) failed.push(name);
console.log(failed.length === 0 ? "no defect was found" : `defects were found in ${failed.join(", ")}`);
process.exit(failed.length === 0 ? 0 : 1);

/** Jazzer.js counts the branches of CommonJS as it loads it: one file for all that is to be counted. */
async function bundleTargets(): Promise<void> {
  rmSync(bundle, { recursive: true, force: true });
  await build({
    input: { targets: join(import.meta.dirname, "targets.ts") },
    platform: "node",
    external: ["lmdb", "@cdktn/hcl2json"],
    output: { dir: bundle, format: "cjs", entryFileNames: "[name].cjs", codeSplitting: false },
    logLevel: "silent",
  });
  for (const name of targetNames) {
    const lines = ['const { targets } = require("./targets.cjs");', `exports.fuzz = targets.${name}.fuzz;`];
    writeFileSync(join(bundle, `${name}.cjs`), `${lines.join("\n")}\n`);
  }
}

/** @returns whether it bore everything */
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
  // Without --sync, Jazzer.js waits for what is returned.
  const isAsync = targets[name].fuzz(inputs[0] ?? Buffer.alloc(0)) instanceof Promise;
  const { status } = spawnSync(
    process.execPath,
    [
      join(root, "node_modules/@jazzer.js/core/dist/cli.js"),
      join(bundle, `${name}.cjs`),
      ...[...(isAsync ? [] : ["--sync"]), "--timeout", "10000"],
      ...unfitDetectors.flatMap((detector) => ["--disableBugDetectors", detector]),
      ...["--", found, kept, `-max_total_time=${seconds}`, `-exact_artifact_path=${artifact}`],
      ...["-max_len=4096", "-rss_limit_mb=4096", "-print_final_stats=1", "-verbosity=1"],
    ],
    { cwd: root, stdio: "inherit" },
  );
  if (status === 0) return true;
  console.log(`${name}: mend it, and keep the input as a line of ${corpusFile(name)}:`);
  console.log(readdirSync(results).includes(`${name}-defect`) ? readFileSync(artifact, "base64") : "(none)");
  return false;
}
