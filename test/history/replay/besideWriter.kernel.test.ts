import { setImmediate as turn } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseBundle } from "../../../src/history/replay/bundle/loadBundle.ts";
import { checkLog } from "../../../src/history/replay/check/checkLog.ts";
import type { EventStore } from "../../../src/store/eventStore.ts";
import { stateFolderPaths } from "../../../src/store/folder/stateFolder.ts";
import { openEventStore } from "../../../src/store/lmdb/lmdbEventStore.ts";
import { allLives, life } from "../../support/history/history.ts";
import { RecordedLog } from "../../support/history/recordedLog.ts";
import { folderOfFile } from "../../support/host/temporaryFolder.ts";
import { call, type Ended, start } from "../../support/screen/commandLine.ts";

const stateDir = folderOfFile();
const recorded = allLives.map((name) => new RecordedLog().add("a/b/c", life(name)).events("a/b/c"));
let store: EventStore;
let tasks = 0;

beforeAll(async () => {
  store = await openEventStore(stateFolderPaths(stateDir).events);
  for (let task = 0; task < 2000; task++) await liveOneMore();
});
afterAll(async () => {
  await store.close();
});

/** Appends a task's whole life, event by event. */
async function liveOneMore(): Promise<void> {
  tasks += 1;
  const stream = `alloc-${tasks}/web/${tasks}`;
  for (const event of recorded[tasks % recorded.length] ?? [])
    await store.append(stream, event.seq - 1, [event]);
}

/** Appends until a process has ended. Also returns the number of tasks that were appended. */
async function writingBeside(process: Promise<Ended>): Promise<Ended & { readonly lived: number }> {
  const before = tasks;
  let ended: Ended | undefined;
  void process.then((result) => {
    ended = result;
  });
  while (ended === undefined) {
    await liveOneMore();
    await turn();
  }
  return { ...ended, lived: tasks - before };
}

describe("beside a writer", () => {
  it("a check verifies the events that exist at its start, and the writer continues", {
    timeout: 60_000,
  }, async () => {
    for (let round = 0; round < 3; round++) {
      const { code, stdout, stderr, lived } = await writingBeside(
        call(["replay", "--check", "--state-dir", stateDir]),
      );
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(Number(/^([\d,]+) events/.exec(stdout)?.[1]?.replaceAll(",", ""))).toBeGreaterThan(2000);
      expect(lived).toBeGreaterThan(10);
    }
  });

  it("an export is a valid bundle of the events at one moment", { timeout: 60_000 }, async () => {
    const { stdout, lived } = await writingBeside(call(["export", "--all", "--state-dir", stateDir]));
    expect(checkLog(parseBundle(stdout, "stdout").reader).findings).toEqual([]);
    expect(lived).toBeGreaterThan(10);
  });

  it("a task's replay is the same each time", { timeout: 60_000 }, async () => {
    const replay = () => writingBeside(call(["replay", "alloc-7/", "--state-dir", stateDir]));
    const [one, other] = [await replay(), await replay()];
    expect(one).toMatchObject({ code: 0, stdout: expect.stringContaining("web of job shop") });
    expect(other.stdout).toBe(one.stdout);
  });

  it("a reader that is suspended while it reads does not delay the writer", { timeout: 60_000 }, async () => {
    const { child, ended } = start(["replay", "--check", "--state-dir", stateDir]);
    // Suspends the reader at any point: at its start, in the middle of a read, or at its end.
    for (let round = 0; round < 20 && child.exitCode === null; round++) {
      child.kill("SIGSTOP");
      for (let task = 0; task < 20; task++) await liveOneMore();
      child.kill("SIGCONT");
      for (let task = 0; task < 20; task++) await liveOneMore();
    }
    expect(await ended).toMatchObject({ code: 0, stdout: expect.stringContaining("all verified") });
  });
});
