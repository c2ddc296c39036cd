/** Every verb reads logs with damage at random places. LMDB itself would trust damaged pages. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";
import { stateFolderPaths } from "../../src/store/folder/stateFolder.ts";
import { openEventStore } from "../../src/store/lmdb/lmdbEventStore.ts";
import { allLives, life } from "../support/history/history.ts";
import { recorderOf } from "../support/history/recorder.ts";
import { temporaryFolder } from "../support/host/temporaryFolder.ts";
import { idOf } from "../support/screen/inspector.ts";

const damages = 250;
const tasks = 60;

interface Line {
  readonly seed: number;
  readonly what: string;
  readonly results: Readonly<Record<string, Result>>;
}

interface Result {
  readonly digest: string;
  readonly code?: number;
  readonly error?: string;
  readonly stderr: string;
  /** Whether the verb reported damage. */
  readonly told: boolean;
}

/** A state folder as a plugin leaves it, with a log that has several levels of pages and some free pages. */
async function stateFolder(): Promise<string> {
  const stateDir = temporaryFolder();
  const store = await openEventStore(stateFolderPaths(stateDir).events);
  const record = recorderOf(store);
  // All lives are appended at the same time, so that most pages of the file are in use.
  const lives = Array.from({ length: tasks }, (_, number) =>
    life(allLives[number % allLives.length] ?? "ended"),
  );
  await Promise.all(lives.map((events, number) => record(idOf(number), events)));
  await store.close();
  return stateDir;
}

it(`damage at ${damages} places crashes no reader, and is never hidden`, { timeout: 600_000 }, async () => {
  const fixture = join(import.meta.dirname, "../fixtures/readDamagedLogs.ts");
  const { stdout, stderr, signal, status } = spawnSync(
    process.execPath,
    [fixture, await stateFolder(), String(damages)],
    { encoding: "utf8", maxBuffer: 1 << 28 },
  );
  const [whole, ...damaged] = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
  const last = `after ${damaged.at(-1)?.seed} damages: ${stderr}`;
  expect({ signal, status, last }).toEqual({ signal: null, status: 0, last: `after ${damages} damages: ` });
  for (const { stderr, error } of Object.values(whole?.results ?? {})) {
    expect({ stderr, error }).toEqual({ stderr: "", error: undefined });
  }
  const counts = { harmless: 0, told: 0 };
  for (const { seed, what, results } of damaged) {
    const differing = Object.entries(results).filter(
      ([verb, { digest, error }]) => digest !== whole?.results[verb]?.digest || error !== undefined,
    );
    const hidden = differing.filter(
      ([verb, { told, error }]) => verb !== "check" && !told && error === undefined,
    );
    expect({ seed, what, hidden }).toEqual({ seed, what, hidden: [] });
    // If any verb reports damage, the check reports it, too.
    const { check } = results;
    const found = check?.code === 1 || check?.error !== undefined || (check?.stderr ?? "") !== "";
    expect({ seed, what, differing, found }).toEqual({ seed, what, differing, found: differing.length > 0 });
    counts[found ? "told" : "harmless"] += 1;
  }
  expect(counts.told).toBeGreaterThan(damages / 5);
});
