/**
 * `npm run soak -- [tasks] [rounds]`: the long runs, one after the other: tasks without a leak, with log files by
 * the agent and by the driver, rounds of crashes, and simulated histories. Prints the last line of each, as
 * docs/contributing/testing.md has them. Needs root.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const [tasks = "10000", rounds = "500"] = process.argv.slice(2);
if (![tasks, rounds].every((each) => Number.isSafeInteger(Number(each)) && Number(each) > 0)) {
  console.error("npm run soak -- [tasks] [rounds]: both are whole numbers");
  process.exit(2);
}
const begin = performance.now();
const failed = [
  run("leaks/main.ts", tasks),
  run("leaks/main.ts", tasks, "", "driver"),
  run("crash/main.ts", rounds),
  run("simulation/main.ts", "--all", "--workers", "2", "--steps", String(Number(tasks) * 1_000)),
].filter((isGood) => !isGood).length;
const minutes = Math.round((performance.now() - begin) / 60_000);
console.log(`${failed === 0 ? "✓" : "✗"} the long runs took ${minutes} min, ${failed} of them failed`);
process.exitCode = failed === 0 ? 0 : 1;

/** @returns whether it succeeded */
function run(main: string, ...given: string[]): boolean {
  const args = given.map((each) => each || String(Math.floor(Math.random() * 2 ** 31)));
  console.log(`\n${main} ${args.join(" ")}`);
  const { status } = spawnSync(process.execPath, [join(import.meta.dirname, main), ...args], {
    stdio: "inherit",
  });
  return status === 0;
}
