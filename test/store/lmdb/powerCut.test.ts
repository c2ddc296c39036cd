/**
 * Simulates power cuts with copies of a log in use. Each page of the data file is as it was at some moment
 * since the last flush. The next boot must find everything that was flushed, and no partial commits.
 */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { openEventReader } from "../../../src/store/lmdb/eventReader.ts";
import { openEventStore } from "../../../src/store/lmdb/lmdbEventStore.ts";
import { findDefect } from "../../support/history/findDefect.ts";
import { labelOf, sampleEvent } from "../../support/history/sampleEvents.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { rounds } from "../../support/rounds.ts";

const PAGE = 4096;

/** `POWER_CUTS=5000 npx vitest run test/store/lmdb/powerCut.test.ts` tries some thousand. */
const cuts = Number(process.env.POWER_CUTS ?? rounds(12, 100));

/** A file with pages from several of its states, some of which were shorter. */
function mixture(states: readonly Buffer[]): Buffer {
  const longest = states.reduce((a, b) => (b.length > a.length ? b : a));
  const mixed = Buffer.from(longest);
  for (let at = 0; at < mixed.length; at += PAGE) {
    const drawn = states[Math.floor(Math.random() * states.length)] as Buffer;
    if (drawn.length >= at + PAGE) drawn.copy(mixed, at, at, at + PAGE);
  }
  return mixed;
}

/**
 * Simulates power cuts while a log is written. Yields the resulting folder, and the numbers of flushed and
 * appended events.
 */
async function* powerCuts(
  parent: string,
  cuts: number,
): AsyncGenerator<{ folder: string; flushed: number; appended: number }> {
  const living = join(parent, "living");
  const [data, checkpoint] = [join(living, "data.mdb"), join(living, "checkpoint")];
  const store = await openEventStore(living, { bootId: "boot 1" });
  let flushed = 0;
  let states: Buffer[] = [];
  let newest = Buffer.alloc(0);
  try {
    for (let cut = 0; cut < cuts; cut++) {
      for (let step = 0; step < 12; step++) {
        for (let i = 0; i < 8; i++) {
          const position = store.lastPosition() + 1;
          const stream = `s${position % 7}`;
          const data = { label: position, text: "x".repeat((position * 131) % 3000) };
          await store.append(stream, store.version(stream), [sampleEvent("", data)]);
        }
        if (Math.random() < 0.2) await sleep(Math.random() * 30);
        // After a flush the pages are on the disk, so older states are impossible.
        if (!readFileSync(checkpoint).equals(newest)) [newest, states] = [readFileSync(checkpoint), []];
        states.push(readFileSync(data));
      }
      const folder = join(parent, `cut ${cut}`);
      mkdirSync(folder);
      writeFileSync(join(folder, "data.mdb"), mixture(states));
      writeFileSync(join(folder, "checkpoint"), newest);
      if (Math.random() < 0.5) copyFileSync(join(living, "lock.mdb"), join(folder, "lock.mdb"));
      yield { folder, flushed, appended: store.lastPosition() };
      if (Math.random() < 0.5) {
        flushed = store.lastPosition();
        await store.flushed();
      }
    }
  } finally {
    await store.close();
  }
}

describe("after a power cut", () => {
  it("the log is intact, ends at one of its flushes, and can be continued", {
    timeout: Math.max(120_000, cuts * 5_000),
  }, async () => {
    let torn = 0;
    let last = 0;
    for await (const { folder, flushed, appended } of powerCuts(temporaryFolder(), cuts)) {
      last = flushed;
      const store = await openEventStore(folder, { bootId: "boot 2" });
      const survived = store.lastPosition();
      expect(survived).toBeGreaterThanOrEqual(flushed);
      expect([...store.readAll()].map(labelOf)).toEqual(
        Array.from({ length: survived }, (_, index) => index + 1),
      );
      for (const head of store.streams())
        expect(findDefect(store.readRecords(head.stream), head)).toBeUndefined();
      for (let i = 0; i < 50; i++) await store.append("after", i, [sampleEvent(survived + i + 1)]);
      await store.close();

      const again = await openEventStore(folder, { bootId: "boot 3" });
      expect([...again.readAll()].map(labelOf)).toEqual(
        Array.from({ length: survived + 50 }, (_, index) => index + 1),
      );
      await again.close();
      torn += survived < appended ? 1 : 0;
    }
    // Otherwise no page was torn, and the test would show nothing.
    expect(torn).toBeGreaterThan(Math.floor(cuts / 4));
    expect(last).toBeGreaterThan(0);
  });

  it("only a writer repairs the log, and a reader says so", async () => {
    const living = temporaryFolder();
    const folder = temporaryFolder();
    const store = await openEventStore(living, { bootId: "boot 1" });
    await store.append("s", 0, [sampleEvent(1)]);
    await store.flushed();
    copyFileSync(join(living, "checkpoint"), join(folder, "checkpoint"));
    await store.append("s", 1, [sampleEvent(2)]);
    copyFileSync(join(living, "data.mdb"), join(folder, "data.mdb"));
    await store.close();

    await expect(openEventReader(folder, "boot 2")).rejects.toMatchObject({
      code: "STORE_FAILED",
      message: expect.stringContaining("was cut off when the machine went down"),
    });
    await (await openEventStore(folder, { bootId: "boot 2" })).close();
    const reader = await openEventReader(folder, "boot 3");
    expect([...reader.readAll()].map(labelOf)).toEqual([1]);
    await reader.close();
  });
});

describe("without a power cut", () => {
  it("a closed log is used unchanged by the next boot", async () => {
    const folder = temporaryFolder();
    const store = await openEventStore(folder, { bootId: "boot 1" });
    await store.append("s", 0, [sampleEvent(1)]);
    await store.close();
    const next = await openEventStore(folder, { bootId: "boot 2" });
    expect(next.version("s")).toBe(1);
    await next.close();
  });

  it("a writer that dies early in a boot loses no event of this boot", async () => {
    const folder = temporaryFolder();
    const copy = temporaryFolder();
    await (await openEventStore(folder, { bootId: "boot 1" })).close();
    const store = await openEventStore(folder, { bootId: "boot 2" });
    await store.append("s", 0, [sampleEvent(1)]);
    // The files at the moment of the process's death, before any flush.
    for (const file of ["data.mdb", "checkpoint"]) copyFileSync(join(folder, file), join(copy, file));
    await store.close();
    const next = await openEventStore(copy, { bootId: "boot 2" });
    expect([...next.readStream("s")].map(labelOf)).toEqual([1]);
    await next.close();
  });
});
