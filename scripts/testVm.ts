/**
 * Runs the suites of test/vm in a virtual machine with all controllers of cgroup v2. An argument selects the
 * cases whose names contain it; `--arm64` is for a machine of that architecture. The bundle of the suites, the
 * results and the logs are in test-results/vm or test-results/arm64.
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildForArm64 } from "./executable/buildExecutable.ts";
import { arm64Machine } from "./vm/arm64Machine.ts";
import { runSuites } from "./vm/runSuites.ts";
import { bundleSuites, selectCases } from "./vm/suites.ts";
import { ownMachine } from "./vm/virtualMachine.ts";

// CI machines are shared, and may be slow.
const isShared = process.env.CI !== undefined;
/** Maximum time of all boots together. */
const limitMs = isShared ? 3_600_000 : 2_700_000;

const { values, positionals } = parseArgs({
  options: { arm64: { type: "boolean", default: false } },
  allowPositionals: true,
});
const root = join(import.meta.dirname, "..");
const folder = join(root, values.arm64 ? "test-results/arm64" : "test-results/vm");

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
const { guest, boots } = await bundleSuites(root, folder);
const [text = ""] = positionals;
const selected = selectCases(boots, text);
if (selected.length === 0) {
  console.error(`No case has ${JSON.stringify(text)} in its name. The cases are:`);
  for (const name of boots.flatMap(({ cases }) => cases)) console.error(`  ${name}`);
  process.exit(2);
}
const machine = values.arm64 ? arm64Machine(root, folder, await buildForArm64()) : ownMachine();
const { passed, failed } = await runSuites({
  ...{ machine, guest, boots: selected, folder, limitMs },
  // Another architecture's instructions take longer to emulate.
  patience: (values.arm64 ? 4 : 1) * (isShared ? 3 : 1),
});
const seconds = Math.round(performance.now() / 1000);
console.log(`${passed} passed, ${failed} failed in the virtual machine, after ${seconds} s`);
process.exitCode = failed > 0 ? 1 : 0;
