/** The short form of `npm run test:crash`: a hundred rounds. */
import { randomInt } from "node:crypto";
import { beforeAll, test } from "vitest";
import { buildCrashPlugin } from "../../crash/buildPlugin.ts";
import { runRoundOf } from "../../crash/round.ts";

let entry: string;

beforeAll(async () => {
  entry = await buildCrashPlugin();
});

const firstSeed = randomInt(2 ** 31);

test.each(Array.from({ length: 100 }, (_, index) => firstSeed + index))(
  "nothing is lost whenever the plugin is killed (seed %i)",
  async (seed) => {
    await runRoundOf(seed, entry);
  },
);
