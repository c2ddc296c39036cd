/** The rounds of `npm run test:crash` that once found a defect, and a few new ones. */
import { randomInt } from "node:crypto";
import { beforeAll, expect, test } from "vitest";
import { buildCrashPlugin } from "../../crash/buildPlugin.ts";
import { regressions } from "../../crash/regressions.ts";
import { runRound, runRoundOf } from "../../crash/round.ts";
import { everyNth } from "../../support/rounds.ts";

let entry: string;

beforeAll(async () => {
  entry = await buildCrashPlugin();
});

const modes = ["agent", "driver"] as const;

/** Each round in the mode that it is about, or in both: `npm test` has them in turn in one and the other. */
const rounds = regressions.flatMap((round, index) => {
  const either = everyNth(2, index % 2 === 0 ? modes : modes.toReversed());
  return (round.logs ? [round.logs] : either).map((logs) => ({ ...round, logs }));
});

test.each(rounds)("$title (logs by the $logs)", async (round) => {
  // A lower number means that a kill point was renamed, so the round no longer tests anything.
  expect((await runRound(round, entry)).deaths).toBe(round.crashes.length);
});

const firstSeed = randomInt(2 ** 31);

test.each([0, 1, 2, 3].map((index) => ({ seed: firstSeed + index, mode: modes[index % 2] ?? "agent" })))(
  "nothing is lost whenever the plugin is killed (seed $seed, logs by the $mode)",
  async ({ seed, mode }) => {
    await runRoundOf(seed, mode, entry);
  },
);
