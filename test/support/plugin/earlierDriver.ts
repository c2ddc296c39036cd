/** The driver as it was at an earlier commit, run from its source with today's libraries. */
import { execFileSync, spawnSync } from "node:child_process";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "vitest";
import { temporaryFolder } from "../host/temporaryFolder.ts";

const checkout = join(import.meta.dirname, "../../..");

/**
 * Where its entry is, for the duration of the test. Skips the test, loudly, in a
 * checkout without the commit, as a shallow clone is one.
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
