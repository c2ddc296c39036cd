/** Tests that need a tool of the system say so where it is missing, and fail where they must not be left out. */
import { spawnSync } from "node:child_process";
import type { TestContext } from "vitest";

/** Skips the test, loudly, where a program is not installed; in CI, fails it. */
export function requireTools(context: TestContext, ...tools: string[]): void {
  const missing = missingOf(tools);
  if (missing.length > 0) leaveOut(context, missing.join(" and "));
}

/** Skips the test, loudly, where a program that the tests do not install is not there; in CI, too. */
export function tryTools(context: TestContext, ...tools: string[]): void {
  const missing = missingOf(tools);
  if (missing.length > 0) skipLoudly(context, missing.join(" and "));
}

/** Skips the test, loudly, for want of something; in CI, fails it. */
export function leaveOut(context: TestContext, want: string): never {
  if (process.env.CI) throw new Error(reason(context, want));
  return skipLoudly(context, want);
}

/** Skips the test for want of something that cannot be had everywhere; in CI, too. */
export function skipLoudly(context: TestContext, want: string): never {
  console.warn(`NOT TESTED: ${reason(context, want)}`);
  return context.skip(reason(context, want));
}

function reason({ task }: TestContext, want: string): string {
  return `"${task.name}" needs ${want}, which this machine does not have`;
}

function missingOf(tools: readonly string[]): string[] {
  return tools.filter((tool) => spawnSync(tool, ["--version"]).error !== undefined);
}
