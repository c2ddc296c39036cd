/** The rounds of `npm run test:crash` that once found a defect, and a few new ones. */
import { randomInt } from "node:crypto";
import { beforeAll, expect, test } from "vitest";
import { buildCrashPlugin } from "../../crash/buildPlugin.ts";
import { regressions } from "../../crash/regressions.ts";
import { runRound, runRoundOf } from "../../crash/round.ts";
import { logCollections } from "../../crash/roundPlan.ts";
import { hasJournald } from "../../support/host/journal.ts";

let entry: string;

beforeAll(async () => {
  entry = await buildCrashPlugin();
});

/** Journald is not on every machine. */
const modes = logCollections.filter((mode) => mode !== "journald" || hasJournald());

/** Each round in the mode that it is about, or in all. */
const rounds = regressions.flatMap((round) =>
  modes.filter((mode) => round.logs === undefined || mode === round.logs).map((logs) => ({ ...round, logs })),
);

test.each(rounds)("$title (logs by $logs)", async (round) => {
  // A lower number means that a kill point was renamed, so the round no longer tests anything.
  expect((await runRound(round, entry)).deaths).toBe(round.crashes.length);
});

const firstSeed = randomInt(2 ** 31);

const seeds = Array.from({ length: 6 }, (_, index) => firstSeed + index);

test.each(seeds.map((seed, index) => ({ seed, mode: modes[index % modes.length] ?? "agent" })))(
  "nothing is lost whenever the plugin is killed (seed $seed, logs by $mode)",
  async ({ seed, mode }) => {
    await runRoundOf(seed, mode, entry);
  },
);
