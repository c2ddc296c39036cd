/** Several processes with one log: writers that are killed, and readers that follow. */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { EventReader } from "../../../src/store/eventStore.ts";
import { openEventReader } from "../../../src/store/lmdb/eventReader.ts";
import { openEventStore } from "../../../src/store/lmdb/lmdbEventStore.ts";
import { findDefect } from "../../support/history/findDefect.ts";
import { sampleEvent } from "../../support/history/sampleEvents.ts";
import { LineProcess } from "../../support/host/lineProcess.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

/**
 * Expects that every hash chain is intact, that positions have no gap, and that acknowledged events exist.
 */
function expectWhole(log: EventReader, acknowledged: readonly string[]): void {
  for (const head of log.streams()) expect(findDefect(log.readRecords(head.stream), head)).toBeUndefined();
  const all = [...log.readAll()];
  expect(all.map(({ position }) => position)).toEqual(all.map((_, index) => index + 1));
  const present = new Set(all.map(({ stream, seq, hash }) => `${stream} ${seq} ${hash}`));
  expect(acknowledged.filter((line) => !present.has(line))).toEqual([]);
}

describe("a log whose writer is killed", () => {
  it("has every acknowledged event, whenever the writer was killed", { timeout: 120_000 }, async () => {
    const folder = temporaryFolder();
    const acknowledged: string[] = [];
    for (let round = 0; round < 60; round++) {
      const writer = new LineProcess("appendForever", folder, `round${round % 4}`);
      await writer.written(1);
      await sleep(Math.random() * 60);
      await writer.kill();
      acknowledged.push(...writer.lines);
      const store = await openEventStore(folder);
      expectWhole(store, acknowledged);
      await store.close();
    }
    expect(acknowledged.length).toBeGreaterThan(100);
  });

  it("can be read and continued immediately after the kill, while an earlier reader still runs", {
    timeout: 120_000,
  }, async () => {
    const folder = temporaryFolder();
    await (await openEventStore(folder)).close();
    const follower = new LineProcess("followLog", folder);
    await follower.written(1);
    const acknowledged: string[] = [];
    for (let round = 0; round < 8; round++) {
      const writer = new LineProcess("appendForever", folder, "s");
      await writer.written(50);
      await sleep(Math.random() * 20);
      await writer.kill();
      acknowledged.push(...writer.lines);
    }
    const reader = await openEventReader(folder);
    expectWhole(reader, acknowledged);
    const all = [...reader.readAll()];
    await reader.close();
    await follower.written(1 + all.length);
    expect(follower.lines.slice(1)).toEqual(
      all.map(({ position, stream, seq }) => `${position} ${stream} ${seq}`),
    );
  });
});

describe("readers in other processes", () => {
  it("miss no event, whether they start before the writer or while it writes", async () => {
    const folder = temporaryFolder();
    const store = await openEventStore(folder);
    try {
      await store.append("s", 0, [sampleEvent(1)]);
      const followers = [1, 2].map(() => new LineProcess("followLog", folder));
      for (let version = 1; version < 3000; version++)
        await store.append("s", version, [sampleEvent(version + 1)]);
      const late = new LineProcess("followLog", folder);
      // Appends each event only after all readers have seen the previous one, so that every wake-up is
      // needed.
      for (let version = 3000; version < 3100; version++) {
        await store.append("s", version, [sampleEvent(version + 1)]);
        await Promise.all([...followers, late].map((follower) => follower.written(version + 2)));
      }
      const expected = Array.from({ length: 3100 }, (_, index) => `${index + 1} s ${index + 1}`);
      for (const follower of [...followers, late]) expect(follower.lines.slice(1)).toEqual(expected);
    } finally {
      await store.close();
    }
  });

  it("hinder neither the writer nor later readers after they are killed", async () => {
    const folder = temporaryFolder();
    const store = await openEventStore(folder);
    try {
      await store.append("s", 0, [sampleEvent(1)]);
      const followers = Array.from({ length: 5 }, () => new LineProcess("followLog", folder));
      for (const follower of followers) await follower.written(2);
      await Promise.all(followers.map((follower) => follower.kill()));
      await store.append("s", 1, [sampleEvent(2)]);
      await store.flushed();
      const again = new LineProcess("followLog", folder);
      await again.written(3);
      expect(again.lines).toEqual(["ready", "1 s 1", "2 s 2"]);
    } finally {
      await store.close();
    }
  });
});
