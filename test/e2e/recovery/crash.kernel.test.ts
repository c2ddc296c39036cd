/** The short form of `npm run test:crash`. */
import { randomInt } from "node:crypto";
import { beforeAll, expect, test } from "vitest";
import { buildCrashPlugin } from "../../crash/buildPlugin.ts";
import { regressions } from "../../crash/regressions.ts";
import { runRound } from "../../crash/round.ts";
import { roundOf } from "../../crash/roundPlan.ts";

let entry: string;

beforeAll(async () => {
  entry = await buildCrashPlugin();
}, 60_000);

test.each(regressions)("$title", { timeout: 120_000 }, async (round) => {
  // A lower number means that a kill point was renamed, so the round no longer tests anything.
  expect((await runRound(round, entry)).deaths).toBe(round.crashes.length);
});

const firstSeed = randomInt(2 ** 31);

test.each(Array.from({ length: 5 }, (_, index) => firstSeed + 4 * index))(
  "nothing is lost whenever the plugin is killed (seeds %i and the next three)",
  { timeout: 240_000 },
  async (seed) => {
    for (const each of [seed, seed + 1, seed + 2, seed + 3]) {
      const plan = roundOf(each);
      await runRound(plan, entry).catch((thrown: Error) => {
        thrown.message = `npm run test:crash -- 1 ${each}\n${JSON.stringify(plan)}\n${thrown.message}`;
        throw thrown;
      });
    }
  },
);
