/** The short form of `npm run test:leaks`. */
import { randomInt } from "node:crypto";
import { expect, test } from "vitest";
import { runForLeaks } from "../../leaks/leakRun.ts";
import { programEntry } from "../../support/plugin/pluginEntry.ts";

const seed = randomInt(2 ** 31);

test.each(["agent", "driver"] as const)(
  `a hundred tasks and crashes leave nothing behind, with logs by the %s (seed ${seed})`,
  { timeout: 240_000 },
  async (logs) => {
    const { before, after } = await runForLeaks({
      command: process.execPath,
      args: [programEntry],
      logs,
      tasks: 100,
      seed,
    });
    expect(after).toEqual(before);
  },
);
