/**
 * Runs the cases under one Nomad, in the namespaces that `main.ts` has made for it: `inside.ts NOMAD FOLDER LOGS [TEXT]`.
 * With a text, only cases run whose names contain it. Exits with 1 if one fails, or none runs.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { caseNames, runCases } from "../vm/support/runner.ts";
import { addCases } from "./cases/index.ts";
import { Cluster } from "./harness/cluster.ts";

const [nomad = "", folder = "", logs = "", text = ""] = process.argv.slice(2);
const pluginDir = join(import.meta.dirname, "../../dist/plugin");

execFileSync("ip", ["link", "set", "lo", "up"]);
// Networks of allocations of this run must not be seen on the host.
mkdirSync("/run/netns", { recursive: true });
execFileSync("mount", ["-t", "tmpfs", "tmpfs", "/run/netns"]);
const cluster = new Cluster({ nomad, folder, pluginDir, logs });
addCases(cluster);
const chosen = new Set(caseNames().filter((name) => name.includes(text)));
let [passed, failed] = [0, 0];
try {
  await cluster.start();
  // A case waits for some states, each with its own limit and message: this one is behind them all.
  await runCases(chosen, 4, ({ name, failure, milliseconds }) => {
    console.log(`${failure === undefined ? "✓" : "✗"} ${name} (${(milliseconds / 1_000).toFixed(1)} s)`);
    if (failure === undefined) passed += 1;
    else {
      failed += 1;
      console.log(failure.replaceAll(/^/gm, "    "));
    }
  });
} catch (thrown) {
  failed += 1;
  console.log(`✗ ${thrown instanceof Error ? thrown.message : String(thrown)}`);
} finally {
  cluster.close();
}
console.log(`${passed} passed, ${failed} failed${chosen.size === 0 ? ": no case has such a name" : ""}`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
