/**
 * A list of free pages with an entry of commit 0. LMDB's page allocator reads the list from its newest entry to its
 * oldest one, and fails with MDB_NOTFOUND when it comes to such an entry.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { open } from "lmdb";
import { describe, expect, it } from "vitest";
import type { EventStore } from "../../../src/store/eventStore.ts";
import { openEventStore } from "../../../src/store/lmdb/lmdbEventStore.ts";
import { findPageDefect } from "../../../src/store/lmdb/pageCheck.ts";
import { NodePage, newestMeta } from "../../../src/store/lmdb/pages.ts";
import { findDefect } from "../../support/history/findDefect.ts";
import { labelOf, sampleEvent, samples } from "../../support/history/sampleEvents.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

const EVENTS = 400;
const PAGE = 4096;

/** A closed log. Its stream `pruned` is gone, so that there are free pages. */
async function makeLog(): Promise<string> {
  const folder = temporaryFolder();
  const store = await openEventStore(folder);
  for (let version = 0; version < EVENTS; version++)
    await store.append("pruned", version, [sampleEvent(version + 1)]);
  await store.append("s", 0, [sampleEvent(1)]);
  await store.prune("pruned", EVENTS);
  await store.close();
  return folder;
}

/** Replaces the commit of the oldest entry by 0. */
function plantCommitZero(folder: string): void {
  const path = join(folder, "data.mdb");
  const data = readFileSync(path);
  const page = (number: number) => new NodePage(data.subarray(PAGE * number, PAGE * (number + 1)), number);
  const { root, depth } = newestMeta(data.subarray(0, 2 * PAGE)).free;
  let leaf = page(root ?? Number.NaN);
  for (let level = depth; level > 1; level--) leaf = page(leaf.child(0));
  leaf.key(0).writeBigUInt64LE(0n);
  writeFileSync(path, data);
}

/** Marks the log as open, as a dying writer leaves it. */
function markLeftOpen(folder: string): void {
  const file = join(folder, "checkpoint");
  const bytes = readFileSync(file);
  bytes[bytes.length - 1] = 1;
  writeFileSync(file, bytes);
}

/** Appends one event after the other, and expects that the log has them, once and in order. */
async function appendMany(store: EventStore, count = 300): Promise<void> {
  const before = store.version("s");
  for (let version = before; version < before + count; version++) {
    await store.append("s", version, [sampleEvent(version + 1)]);
    expect(store.version("s")).toBe(version + 1);
  }
  const events = [...store.readStream("s")];
  expect(events.map(labelOf)).toEqual(events.map((_, index) => index + 1));
  for (const head of store.streams())
    expect(findDefect(store.readRecords(head.stream), head)).toBeUndefined();
}

const freeListOf = (folder: string) =>
  newestMeta(readFileSync(join(folder, "data.mdb")).subarray(0, 2 * PAGE)).free;

describe("a list of free pages with an entry of commit 0", () => {
  it("makes LMDB itself refuse an entry", async () => {
    const folder = await makeLog();
    plantCommitZero(folder);
    const root = open({
      path: folder,
      maxDbs: 4,
      encoding: "binary",
      noSubdir: false,
      overlappingSync: false,
    });
    const records = root.openDB("records", { encoding: "binary" });
    const put = (key: number) => root.transactionSync(() => records.putSync(`${key}`, Buffer.alloc(3000)));
    // A put that finds no page makes the transaction bad. If the commit itself is the first to need one, it says why.
    const puts = () => Array.from({ length: 50 }, (_, key) => put(key)).every(Boolean);
    expect(puts).toThrow(/MDB_(?:BAD_TXN|NOTFOUND)/);
    await root.close();
  });

  it("is dropped by the append that it makes fail, and no event is lost", async () => {
    const folder = await makeLog();
    plantCommitZero(folder);
    const store = await openEventStore(folder);
    await appendMany(store);
    await store.close();
    expect(await findPageDefect(join(folder, "data.mdb"))).toBeUndefined();
  });

  it("is dropped when a log that was left open is checked, and no event is lost", async () => {
    const folder = await makeLog();
    plantCommitZero(folder);
    expect(await findPageDefect(join(folder, "data.mdb"))).toEqual({
      what: expect.stringMatching(/^free pages are listed under the commit 0 after 0$/),
      onlyInFreeList: true,
    });
    markLeftOpen(folder);
    const store = await openEventStore(folder);
    await appendMany(store);
    await store.close();
    expect(await findPageDefect(join(folder, "data.mdb"))).toBeUndefined();
  });
});

it("pages that are freed after the list was dropped are used again", async () => {
  const folder = await makeLog();
  plantCommitZero(folder);
  const store = await openEventStore(folder);
  await appendMany(store);
  const bytes = () => newestMeta(readFileSync(join(folder, "data.mdb")).subarray(0, 2 * PAGE)).pages;
  const pages = bytes();
  for (let round = 0; round < 20; round++) {
    await store.append(`round${round}`, 0, samples(`round${round}`, 1, 50));
    if (round > 0) await store.prune(`round${round - 1}`, 50);
    await store.flushed();
  }
  expect(bytes() - pages).toBeLessThan(1000);
  await store.close();
  expect(freeListOf(folder).entries).toBeGreaterThan(0);
});
