/** Tests that need a tool of the system say so where it is missing, and fail where they must not be left out. */
import { spawnSync } from "node:child_process";
import type { TestContext } from "vitest";

/** Skips the test, loudly, where a program is not installed; in CI, fails it. */
export function requireTools(context: TestContext, ...tools: string[]): void {
  const missing = tools.filter((tool) => spawnSync(tool, ["--version"]).error !== undefined);
  if (missing.length === 0) return;
  const message = `"${context.task.name}" needs ${missing.join(" and ")}, which this machine does not have`;
  if (process.env.CI) throw new Error(message);
  console.warn(`NOT TESTED: ${message}`);
  context.skip(message);
}
