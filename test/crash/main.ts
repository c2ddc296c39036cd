/**
 * `npm run test:crash -- [rounds] [seed] [agent|driver|journald]`: kills the plugin at random moments, round after
 * round. The seed of a round is the first seed plus the number of the round. The last argument says who takes
 * the tasks' output; by default each of them does, in turn.
 */
import { randomInt } from "node:crypto";
import { buildCrashPlugin } from "./buildPlugin.ts";
import { runRoundOf } from "./round.ts";
import { logCollections } from "./roundPlan.ts";

process.setMaxListeners(0);
const rounds = Number(process.argv[2] ?? 500);
const firstSeed = Number(process.argv[3] ?? randomInt(2 ** 31));
const modes = logCollections.filter((mode) => (process.argv[4] ?? mode) === mode);
if (!(Number.isSafeInteger(rounds) && rounds > 0 && Number.isSafeInteger(firstSeed) && modes.length > 0)) {
  console.error(
    "npm run test:crash -- [rounds] [seed] [agent|driver|journald]: the first two are whole numbers",
  );
  process.exit(2);
}
// An interrupted round would leave its tasks and its plugin running, so this process ends after the round.
let interrupted = false;
process.once("SIGINT", () => {
  interrupted = true;
  console.error("\nends after this round");
});
const entry = await buildCrashPlugin();
const begin = performance.now();
let deaths = 0;
for (let index = 0; index < rounds && !interrupted; index++) {
  const seed = firstSeed + index;
  try {
    deaths += (await runRoundOf(seed, modes[index % modes.length] ?? "agent", entry)).deaths;
  } catch (thrown) {
    console.error(`\n✗ ${(thrown as Error).message}`);
    process.exit(1);
  }
  const seconds = Math.round((performance.now() - begin) / 1000);
  showProgress(`round ${index + 1} of ${rounds}, seed ${seed}: ${deaths} plugins killed in ${seconds} s`);
}
if (interrupted) process.exit(130);
console.log(`\n✓ ${rounds} rounds from seed ${firstSeed}: ${deaths} plugins killed, nothing lost`);

/** On a terminal, progress is one line that changes. Elsewhere, only some rounds have a line. */
function showProgress(progress: string): void {
  if (process.stdout.isTTY) process.stdout.write(`\r${progress}`);
  else if (/round \d*[05]0? of/.test(progress)) console.log(progress);
}
