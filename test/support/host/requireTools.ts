/** Tests that need a tool of the system say so where it is missing, and fail where they must not be left out. */
import { spawnSync } from "node:child_process";
import type { TestContext } from "vitest";

/** Skips the test, loudly, where a program is not installed; in CI, fails it. */
export function requireTools(context: TestContext, ...tools: string[]): void {
  const missing = tools.filter((tool) => spawnSync(tool, ["--version"]).error !== undefined);
  if (missing.length === 0) return;
  leaveOut(context, missing.join(" and "));
}

/** Skips the test, loudly, for want of something; in CI, fails it. */
export function leaveOut(context: TestContext, want: string): never {
  const message = `"${context.task.name}" needs ${want}, which this machine does not have`;
  if (process.env.CI) throw new Error(message);
  console.warn(`NOT TESTED: ${message}`);
  return context.skip(message);
}
