/**
 * Builds dist/:
 *
 * - `plugin`: the folder for a Nomad agent's `plugin_dir`, with the executable as its only file
 * - `replay`, `inspect`: the libraries, self-contained and with their types; `replay/machine.js`
 *   is this version's state machine, which can check histories of other versions
 * - `inspector`: the inspector's page
 */
import { execFileSync } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { build } from "rolldown";
import { supportedArchitecture } from "../src/effects/kernel/systemCalls.ts";
import { buildExecutable } from "./executable/buildExecutable.ts";
import { targetOf } from "./executable/targets.ts";
import { buildInspectorPage } from "./inspectorPage.ts";

const root = join(import.meta.dirname, "..");

for (const folder of ["plugin", "replay", "inspect", "inspector"]) {
  await rm(join(root, "dist", folder), { recursive: true, force: true });
}
for (const [file, entry] of [
  ["replay/index.js", "src/history/replay/index.ts"],
  ["replay/machine.js", "src/machines/machineVersion.ts"],
  ["inspect/index.js", "src/inspector/stately/index.ts"],
] as const) {
  await build({
    input: join(root, entry),
    platform: "node",
    output: { file: join(root, "dist", file), format: "esm", minify: true, codeSplitting: false },
  });
}
await buildInspectorPage(join(root, "dist/inspector"));
for (const library of ["replay", "inspect"]) {
  const config = join(root, `tsconfig.${library}.json`);
  execFileSync(join(root, "node_modules/.bin/tsc"), ["-p", config], { stdio: "inherit" });
}
await buildExecutable(
  targetOf(supportedArchitecture()),
  join(root, "dist/inspector"),
  join(root, "dist/plugin/nomad-driver-exec2"),
);
