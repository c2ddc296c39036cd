import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { EventStore } from "../../../src/store/eventStore.ts";
import { openEventStore } from "../../../src/store/lmdb/lmdbEventStore.ts";
import { sampleEvent } from "../../support/history/sampleEvents.ts";
import { LineProcess } from "../../support/host/lineProcess.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

/**
 * Hides the newest commit, as another process that opens the log may do. Uses a child process, because
 * closing the file would drop this process's locks.
 */
function hideNewestCommit(folder: string): void {
  const script = `
    const fs = require("node:fs");
    const lock = fs.openSync(process.argv[1], "r+");
    const word = Buffer.alloc(8);
    fs.readSync(lock, word, 0, 8, 8);
    word.writeBigUInt64LE(word.readBigUInt64LE() - 1n);
    fs.writeSync(lock, word, 0, 8, 8);`;
  execFileSync(process.execPath, ["-e", script, join(folder, "lock.mdb")]);
}

async function withStore(test: (store: EventStore, folder: string) => Promise<void>): Promise<void> {
  const folder = temporaryFolder();
  const store = await openEventStore(folder);
  try {
    for (const version of [0, 1, 2]) await store.append("s", version, [sampleEvent(version)]);
    await test(store, folder);
  } finally {
    await store.close();
  }
}

describe("a commit that was hidden by a process that opened the log", () => {
  it("is not overwritten by the next commit", () =>
    withStore(async (store, folder) => {
      hideNewestCommit(folder);
      await store.append("s", 3, [sampleEvent(3)]);
      expect([...store.readAll()].map(({ position, seq }) => [position, seq])).toEqual(
        [1, 2, 3, 4].map((n) => [n, n]),
      );
    }));

  it("is seen by the writer's own reads", () =>
    withStore(async (store, folder) => {
      hideNewestCommit(folder);
      expect(store.version("s")).toBe(3);
      hideNewestCommit(folder);
      expect([...store.readStream("s")]).toHaveLength(3);
    }));
});

it("nothing is lost while others open the log again and again", { timeout: 300_000 }, async () => {
  const folder = temporaryFolder();
  const store = await openEventStore(folder);
  try {
    let version = 0;
    for (let opening = 0; opening < 10; opening++) {
      const follower = new LineProcess("followLog", folder);
      const opened = follower.written(1).then(() => follower.kill());
      let isOpen = false;
      void opened.then(() => {
        isOpen = true;
      });
      while (!isOpen) {
        await store.append("s", version, [sampleEvent(version)]);
        version += 1;
      }
      await opened;
    }
    expect(store.version("s")).toBe(version);
  } finally {
    await store.close();
  }
});
