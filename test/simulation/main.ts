/**
 * `npm run test:simulation -- [seeds] [first seed]`: runs simulated histories, one for each seed. With one seed,
 * the whole history is printed.
 */
import "./hooks.ts";
import { randomInt } from "node:crypto";

const seeds = Number(process.argv[2] ?? 1_000);
const firstSeed = Number(process.argv[3] ?? randomInt(2 ** 31));
const { runHistory } = await import("./history.ts");
const begin = performance.now();
let [steps, plugins, runs, ms] = [0, 0, 0, 0];
for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
  const outcome = await runHistory(seed);
  steps += outcome.steps;
  plugins += outcome.plugins;
  runs += outcome.runs;
  ms += outcome.ms;
  if (outcome.failure !== undefined) {
    console.error(outcome.lines.join("\n"));
    console.error(`\n✗ seed ${seed}: ${outcome.failure.stack}`);
    process.exit(1);
  }
}
console.log(`✓ ${seeds} histories from ${firstSeed}: ${steps} steps, ${plugins} plugins, ${runs} runs, ${ms / 1000} s in ${performance.now() - begin} ms`);
