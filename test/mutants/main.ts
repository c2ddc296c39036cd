/**
 * `npm run test:mutants [-- FOLDER…]`: plants small defects, *mutants*, into folders of src with StrykerJS, one at a
 * time, and runs the folder's pure tests against each. A mutant that no test notices survives. The report shows it,
 * and those in lines that no pure test runs: only kernel tests can notice these. A further run tries again what has
 * changed.
 *
 * Exit codes: 0, or 1 if a folder has a score below 85 % or could not be tried, 2 for an unknown folder.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Counts, countsOf, rowOf, scoreOf } from "./counts.ts";

const root = join(import.meta.dirname, "../..");
const stryker = join(root, "tools/mutants/node_modules/@stryker-mutator/core/bin/stryker.js");
const folders = [
  ...["machines", "store", "driver", "history", "grpc/convert"],
  ...["logs", "network", "unveil", "landlock", "plan", "cgroup"].map((each) => `effects/${each}`),
];
const wanted = process.argv.length > 2 ? process.argv.slice(2) : folders;
const unknown = wanted.filter((folder) => !existsSync(join(root, "src", folder)));
if (unknown.length > 0) {
  console.error(`src has no ${unknown.join(", ")}. Such as: npm run test:mutants -- ${folders[0]}`);
  process.exit(2);
}

const aim = 85;
const rows = wanted.map((folder) => ({ folder, counts: tried(folder) }));
for (const { folder, counts } of rows) console.log(counts ? rowOf(folder, counts) : `${folder}: not tried`);
console.log("The reports are in test-results/mutants.");
process.exitCode = rows.every(({ counts }) => counts !== undefined && scoreOf(counts) >= aim) ? 0 : 1;

/** @returns undefined if StrykerJS made no report, and has said why */
function tried(folder: string): Counts | undefined {
  const { status } = spawnSync(process.execPath, [stryker, "run", "test/mutants/stryker.config.mjs"], {
    cwd: root,
    env: { ...process.env, MUTATED_FOLDER: folder },
    stdio: "inherit",
  });
  if (status !== 0) return undefined;
  return countsOf(readFileSync(join(root, "test-results/mutants", folder, "report.json"), "utf8"));
}
