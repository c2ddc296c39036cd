/**
 * `npm run test:simulation -- [seeds] [first seed]`: runs simulated histories, one for each seed. A history that
 * fails is printed. `--mutants` plants each defect of mutants.ts instead, and fails if a defect is not found.
 */
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import "./hooks.ts";

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { mutants: { type: "boolean", default: false } },
});
const seeds = Number(positionals[0] ?? (flags.mutants ? 1_000 : 1_000));
const firstSeed = Number(positionals[1] ?? (flags.mutants ? 1 : randomInt(2 ** 31)));
if (!(Number.isSafeInteger(seeds) && seeds > 0 && Number.isSafeInteger(firstSeed))) {
  console.error("npm run test:simulation -- [--mutants] [seeds] [first seed]: both are whole numbers");
  process.exit(2);
}
// After the hooks, which replace what the driver imports.
const { runHistory } = await import("./history.ts");
const { mutants } = await import("./mutants.ts");
const begin = performance.now();
const secondsSince = (time: number) => ((performance.now() - time) / 1_000).toFixed(1);

process.exitCode = flags.mutants ? await findMutants() : await runSeeds();

async function runSeeds(): Promise<number> {
  let [steps, plugins, runs, ms] = [0, 0, 0, 0];
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    const outcome = await runHistory(seed);
    steps += outcome.steps;
    plugins += outcome.plugins;
    runs += outcome.runs;
    ms += outcome.ms;
    if (outcome.failure === undefined) continue;
    console.error(outcome.lines.join("\n"));
    console.error(`\n✗ seed ${seed}: ${outcome.failure.message}`);
    console.error(`run it alone: npm run test:simulation -- 1 ${seed}`);
    return 1;
  }
  const figures = `${steps} steps, ${plugins} plugins, ${runs} runs, ${Math.round(ms / 1_000)} s of their time`;
  console.log(`✓ ${seeds} histories from seed ${firstSeed}: ${figures} in ${secondsSince(begin)} s`);
  return 0;
}

async function findMutants(): Promise<number> {
  let missed = 0;
  for (const { name, plant } of mutants) {
    const planted = performance.now();
    const remove = plant();
    let found: string | undefined;
    let seed = firstSeed;
    for (; found === undefined && seed < firstSeed + seeds; seed++)
      found = (await runHistory(seed)).failure?.message;
    remove();
    if (found === undefined) missed += 1;
    const count = seed - firstSeed;
    const histories = count === 1 ? "1 history" : `${count} histories`;
    console.log(
      `${found === undefined ? "✗" : "✓"} ${name}: ${histories}, ${secondsSince(planted)} s: ${found}`,
    );
  }
  return missed === 0 ? 0 : 1;
}
