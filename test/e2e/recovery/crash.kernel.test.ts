/** The rounds of `npm run test:crash` that once found a defect, and a few new ones. */
import { randomInt } from "node:crypto";
import { beforeAll, expect, test } from "vitest";
import { buildCrashPlugin } from "../../crash/buildPlugin.ts";
import { regressions } from "../../crash/regressions.ts";
import { runRound, runRoundOf } from "../../crash/round.ts";

let entry: string;

beforeAll(async () => {
  entry = await buildCrashPlugin();
});

test.each(regressions)("$title", async (round) => {
  // A lower number means that a kill point was renamed, so the round no longer tests anything.
  expect((await runRound(round, entry)).deaths).toBe(round.crashes.length);
});

const firstSeed = randomInt(2 ** 31);

test.each([0, 1, 2, 3].map((index) => firstSeed + index))(
  "nothing is lost whenever the plugin is killed (seed %i)",
  async (seed) => {
    await runRoundOf(seed, entry);
  },
);
