/** The short form of `npm run test:crash`: a hundred rounds, in all modes of log collection in turn. */
import { randomInt } from "node:crypto";
import { beforeAll, test } from "vitest";
import { buildCrashPlugin } from "../../crash/buildPlugin.ts";
import { runRoundOf } from "../../crash/round.ts";
import { logCollections } from "../../crash/roundPlan.ts";
import { hasJournald } from "../../support/host/journal.ts";

let entry: string;

beforeAll(async () => {
  entry = await buildCrashPlugin();
});

const firstSeed = randomInt(2 ** 31);

/** Journald is not on every machine. */
const modes = logCollections.filter((mode) => mode !== "journald" || hasJournald());

test.each(
  Array.from({ length: 100 }, (_, index) => ({
    seed: firstSeed + index,
    mode: modes[index % modes.length] ?? "agent",
  })),
)("nothing is lost whenever the plugin is killed (seed $seed, logs by $mode)", async ({ seed, mode }) => {
  await runRoundOf(seed, mode, entry);
});
