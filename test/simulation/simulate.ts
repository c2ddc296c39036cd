/** Runs the simulation from a test. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

/** The simulation replaces modules and clocks, so it has a process of its own. */
export function simulate(...args: string[]): { readonly status: number | null; readonly output: string } {
  const main = join(import.meta.dirname, "main.ts");
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  // A history that fails is long, and its end says what was wrong.
  return { status, output: `${stdout}${stderr.slice(-20_000)}` };
}
