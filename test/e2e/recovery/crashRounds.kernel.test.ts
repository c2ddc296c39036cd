/** The short form of `npm run test:crash`: a hundred rounds, in both modes of log collection in turn. */
import { randomInt } from "node:crypto";
import { beforeAll, test } from "vitest";
import { buildCrashPlugin } from "../../crash/buildPlugin.ts";
import { runRoundOf } from "../../crash/round.ts";

let entry: string;

beforeAll(async () => {
  entry = await buildCrashPlugin();
});

const firstSeed = randomInt(2 ** 31);

const modes = ["agent", "driver"] as const;

test.each(
  Array.from({ length: 100 }, (_, index) => ({ seed: firstSeed + index, mode: modes[index % 2] ?? "agent" })),
)("nothing is lost whenever the plugin is killed (seed $seed, logs by the $mode)", async ({ seed, mode }) => {
  await runRoundOf(seed, mode, entry);
});
