/** The driver of an earlier commit, run from its sources with the present libraries. */
import { execFileSync, spawnSync } from "node:child_process";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "vitest";
import { temporaryFolder } from "../host/temporaryFolder.ts";

const checkout = join(import.meta.dirname, "../../..");

/**
 * The path of its entry, for the duration of the test. Skips the test with a message in a checkout without
 * this commit, such as a shallow clone.
 */
export function earlierDriver(context: TestContext, commit: string): string {
  const { status } = spawnSync("git", ["cat-file", "-e", `${commit}^{commit}`], { cwd: checkout });
  if (status !== 0) {
    const message = `"${context.task.name}" needs commit ${commit}, which this checkout does not have`;
    console.warn(`NOT TESTED: ${message}`);
    context.skip(message);
  }
  const folder = temporaryFolder();
  const archive = execFileSync("git", ["archive", commit, "src", "package.json"], {
    cwd: checkout,
    maxBuffer: 1 << 26,
  });
  execFileSync("tar", ["-x", "-C", folder], { input: archive });
  symlinkSync(join(checkout, "node_modules"), join(folder, "node_modules"));
  return join(folder, "src/main.ts");
}
