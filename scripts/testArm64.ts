/**
 * Tests arm64 on a machine of another architecture: builds the executable for arm64, and runs tests of the
 * runner and of the executable under qemu-user. qemu-user has neither landlock(7) nor clone3(2), so no task
 * can start under it.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { buildForArm64 } from "./executable/buildExecutable.ts";

const root = join(import.meta.dirname, "..");
const tests = ["test/effects/plan/runner.test.ts", "test/scripts/executable/elf.test.ts", "test/e2e/arm64"];

await buildForArm64();
const { status } = spawnSync("npx", ["vitest", "run", ...tests], {
  cwd: root,
  env: { ...process.env, TEST_ARM64: "1" },
  stdio: "inherit",
});
process.exitCode = status ?? 1;
