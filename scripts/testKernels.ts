/**
 * Runs the smallest suites of test/vm on kernels of several Debian releases, and prints a table of the results.
 * Arguments select series (scripts/vm/debianKernels.ts). Logs and results are in test-results/kernels.
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fetchKernel, kernelSeries } from "./vm/debianKernels.ts";
import { runSuites } from "./vm/runSuites.ts";
import { bundleSuites, selectGroups } from "./vm/suites.ts";
import { ownMachine } from "./vm/virtualMachine.ts";

/** Milliseconds for the boots of one kernel; four minutes are enough on a quiet machine. */
const limitMs = 1_800_000;

/** Groups of cases: sandbox, launch, recovery and limits. */
const groups = ["health", "life", "landlock", "reboot", "memory", "pids", "limits of processes"];

const wanted = process.argv.slice(2);
const chosen = kernelSeries.filter(({ series }) => wanted.length === 0 || wanted.includes(series));
if (chosen.length < wanted.length || chosen.length === 0) {
  console.error(`The series are: ${kernelSeries.map(({ series }) => series).join(", ")}`);
  process.exit(2);
}
const root = join(import.meta.dirname, "..");
const results = join(root, "test-results/kernels");
mkdirSync(results, { recursive: true });
const { guest, boots } = await bundleSuites(root, results);
const rows: string[] = [];
for (const each of chosen) {
  const kernel = fetchKernel(root, each);
  console.log(`\n${each.series}: ${kernel}`);
  const folder = join(results, each.series);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  const { passed, failed, facts, seconds } = await runSuites({
    ...{ machine: ownMachine(kernel), guest, folder, limitMs },
    boots: selectGroups(boots, each.hasLandlock ? groups : ["health"]),
    // For machines that have other work to do.
    patience: 4,
  });
  const cells = [facts?.kernel ?? "did not boot", each.suites[0], facts?.landlockAbi ?? "–"];
  rows.push(`| ${[...cells, passed, failed, seconds].join(" | ")} |`);
  if (failed > 0) process.exitCode = 1;
}
console.log("\n| kernel | Debian | Landlock ABI | passed | failed | seconds |");
console.log(`|---|---|---|---|---|---|\n${rows.join("\n")}`);
