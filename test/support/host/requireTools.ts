/** Tests that need a missing tool are skipped with a message, or fail in CI. */
import { spawnSync } from "node:child_process";
import { basename } from "node:path";
import type { TestContext } from "vitest";
import { packageOf } from "../../../scripts/hostPackages.mjs";

/** Skips the test with a message if a program is not installed; fails it in CI. */
export function requireTools(context: TestContext, ...tools: string[]): void {
  const missing = missingOf(tools);
  if (missing.length > 0) leaveOut(context, named(missing));
}

/** Skips the test with a message, even in CI, if a program that the tests do not install is missing. */
export function tryTools(context: TestContext, ...tools: string[]): void {
  const missing = missingOf(tools);
  if (missing.length > 0) skipLoudly(context, named(missing));
}

/** Skips the test with a message because something is missing; fails it in CI. */
export function leaveOut(context: TestContext, want: string): never {
  if (process.env.CI) throw new Error(reason(context, want));
  return skipLoudly(context, want);
}

/** Skips the test, even in CI, because this machine lacks something that not every machine can have. */
export function skipLoudly(context: TestContext, want: string): never {
  console.warn(`NOT TESTED: ${reason(context, want)}`);
  return context.skip(reason(context, want));
}

function reason({ task }: TestContext, want: string): string {
  return `"${task.name}" needs ${want}, which this machine does not have`;
}

/** Tools, each with the Debian package that has it. */
function named(tools: readonly string[]): string {
  return tools
    .map((tool) => {
      const debian = packageOf(tool) ?? packageOf(basename(tool));
      return debian === undefined ? tool : `${tool} (Debian's package ${debian})`;
    })
    .join(" and ");
}

function missingOf(tools: readonly string[]): string[] {
  return tools.filter((tool) => spawnSync(tool, ["--version"]).error !== undefined);
}
