import { chmodSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { type DatabaseOptions, open, type RootDatabaseOptions } from "lmdb";
import { firstValueFrom, take, toArray } from "rxjs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { EventStore } from "../../../src/store/eventStore.ts";
import { follow } from "../../../src/store/follow.ts";
import { folderChanges, openEventReader } from "../../../src/store/lmdb/eventReader.ts";
import { openEventStore } from "../../../src/store/lmdb/lmdbEventStore.ts";
import { findPageDefect } from "../../../src/store/lmdb/pageCheck.ts";
import { findDefect } from "../../support/history/findDefect.ts";
import { labelOf, sampleEvent, samples } from "../../support/history/sampleEvents.ts";
import { folderOfFile } from "../../support/host/temporaryFolder.ts";
import { eventStoreContract } from "../eventStoreContract.ts";

const parent = folderOfFile();
let folders = 0;
const newFolder = () => join(parent, String(++folders));

eventStoreContract("LMDB", () => openEventStore(newFolder()));

async function openStreamsIn(folder: string): Promise<string[]> {
  const reader = await openEventReader(folder);
  try {
    return Array.from(reader.openStreams(), ({ stream }) => stream);
  } finally {
    await reader.close();
  }
}

describe("an event log in LMDB", () => {
  let folder: string;
  let store: EventStore;
  beforeEach(async () => {
    folder = newFolder();
    store = await openEventStore(folder);
  });
  afterEach(() => store.close());

  const reopen = async () => {
    await store.close();
    store = await openEventStore(folder);
  };

  it("reads all heads if the list of open streams names a stream that there is not", async () => {
    const ending = (to: string) => ({ ...sampleEvent(to), to });
    for (const stream of ["runs too", "over", "runs"]) await store.append(stream, 0, [ending("running")]);
    await store.append("over", 1, [ending("exited")]);
    await store.close();
    const options = { encoding: "binary", keyEncoding: "binary" } as const;
    const root = open(folder, { ...options, maxDbs: 4 } as RootDatabaseOptions);
    const list = root.openDB("open", options as DatabaseOptions);
    list.putSync(Buffer.from([0, 0, 0, 0, 0, 9]), Buffer.from("was removed"));
    await root.close();
    expect(await openStreamsIn(folder)).toEqual(["runs", "runs too"]);
    store = await openEventStore(folder);
    expect(Array.from(store.openStreams(), ({ stream }) => stream)).toEqual(["runs", "runs too"]);
  });

  it("gives the list of open streams to readers in other processes, too, in the order of first events", async () => {
    const ending = (to: string) => ({ ...sampleEvent(to), to });
    for (const stream of ["z", "a", "over"]) await store.append(stream, 0, [ending("running")]);
    expect(await openStreamsIn(folder)).toEqual(["z", "a", "over"]);
    await store.append("over", 1, [ending("exited")]);
    expect(await openStreamsIn(folder)).toEqual(["z", "a"]);
  });

  it("continues an interrupted removal of a stream", async () => {
    await store.append("long", 0, samples("long", 1, 1_000));
    await store.append("short", 0, samples("short", 1, 1));
    await store.append("last", 0, samples("last", 1, 1));
    const pruning = store.prune("long", 1_000);
    // Runs some of the ten transactions.
    for (let turn = 0; turn < 3; turn++) await setImmediate();
    await reopen();
    await pruning;
    expect(store.version("long")).toBe(0);
    const left = [...store.readAll()].length;
    expect(left).toBeGreaterThan(2);
    expect(left).toBeLessThan(1_002);
    await store.append("long", 0, samples("long", 1, 2));
    await store.finishPruning();
    expect([...store.readAll()].map(labelOf)).toEqual(["short 1", "last 1", "long 1", "long 2"]);
    await store.finishPruning();
    expect(await store.prune("short", 1)).toBe(true);
    expect(await findPageDefect(join(folder, "data.mdb"))).toBeUndefined();
  });

  it("accepts a name whose stream was removed only partially", async () => {
    await store.append("long", 0, samples("long", 1, 1_000));
    await store.append("last", 0, samples("last", 1, 1));
    const pruning = store.prune("long", 1_000);
    await reopen();
    await pruning;
    await store.append("long", 0, samples("long", 1, 3));
    expect([...store.readStream("long")].map(labelOf)).toEqual(["long 1", "long 2", "long 3"]);
    expect(Array.from(store.streamsByAge(), ({ stream }) => stream)).toEqual(["last", "long"]);
  });

  it("reuses the space of removed streams", async () => {
    const round = async (stream: string) => {
      await store.append(stream, 0, [sampleEvent("", { label: "x".repeat(1 << 20) })]);
      await store.append("last", store.version("last"), samples("last", 1, 1));
      await store.prune(stream, 1);
      await store.flushed();
    };
    for (let at = 0; at < 10; at++) await round(`early ${at}`);
    const size = statSync(join(folder, "data.mdb")).size;
    for (let at = 0; at < 40; at++) await round(`late ${at}`);
    expect(statSync(join(folder, "data.mdb")).size).toBeLessThan(2 * size);
  });

  it("grows its map, while others read through theirs", async () => {
    const small = newFolder();
    const growing = await openEventStore(small, { mapBytes: 1 << 20 });
    const reader = await openEventReader(small);
    const followed = firstValueFrom(follow(reader, folderChanges(small)).pipe(take(200), toArray()));
    const early = growing.readAll()[Symbol.iterator]();
    for (let seq = 0; seq < 200; seq++) {
      await growing.append("s", seq, [sampleEvent("", { label: seq + 1, text: "x".repeat(100_000) })]);
      early.next();
    }
    const labels = Array.from({ length: 200 }, (_, index) => index + 1);
    expect((await followed).map(labelOf)).toEqual(labels);
    for (const log of [growing, reader]) expect([...log.readAll()].map(labelOf)).toEqual(labels);
    await reader.close();
    await growing.close();
    expect(statSync(join(small, "data.mdb")).size).toBeGreaterThan(20_000_000);
  });

  it("keeps its events when reopened, and continues after them", async () => {
    await store.append("a", 0, samples("a", 1, 2));
    await store.append("b", 0, samples("b", 1, 1));
    const before = [...store.readAll()];
    await reopen();
    expect([...store.readAll()]).toEqual(before);
    await store.append("a", 2, samples("a", 3, 1));
    await reopen();
    expect([...store.readAll()].map(labelOf)).toEqual(["a 1", "a 2", "b 1", "a 3"]);
    for (const head of store.streams())
      expect(findDefect(store.readRecords(head.stream), head)).toBeUndefined();
  });

  it("is root's alone, whatever the umask", async () => {
    const umask = process.umask(0);
    try {
      await store.close();
      folder = newFolder();
      store = await openEventStore(folder);
      await store.append("a", 0, samples("a", 1, 1));
      await store.flushed();
    } finally {
      process.umask(umask);
    }
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    for (const file of readdirSync(folder)) {
      const { mode, uid } = statSync(join(folder, file));
      expect([file, mode & 0o777, uid]).toEqual([file, 0o600, process.geteuid?.()]);
    }
  });

  it("has one writer", async () => {
    await expect(openEventStore(folder)).rejects.toMatchObject({
      code: "STORE_FAILED",
      message: expect.stringContaining("writer already"),
    });
    await store.append("a", 0, samples("a", 1, 1));
    await reopen();
    expect(store.version("a")).toBe(1);
  });

  it("resolves flushed() if there is nothing to flush, and while more is appended", async () => {
    await store.flushed();
    const appended = Array.from({ length: 50 }, async (_, index) => {
      await store.append(`s${index}`, 0, [sampleEvent(index)]);
      await store.flushed();
    });
    await Promise.all(appended);
    expect(store.lastPosition()).toBe(50);
  });

  it("reads more than one batch's records and bytes", async () => {
    const big = Array.from({ length: 12 }, (_, index) =>
      sampleEvent(index, { label: index, text: "x".repeat(300_000) }),
    );
    await store.append("big", 0, big);
    await store.append("many", 0, samples("many", 1, 1000));
    expect([...store.readStream("big")].map(labelOf)).toEqual(
      Array.from({ length: 12 }, (_, index) => index),
    );
    expect([...store.readAll()].map(({ position }) => position)).toEqual(
      Array.from({ length: 1012 }, (_, i) => i + 1),
    );
  });

  it("finds more streams than fit a batch", async () => {
    await Promise.all(
      Array.from({ length: 600 }, (_, index) => store.append(`s${index}`, 0, samples("", 1, 1))),
    );
    expect(new Set([...store.streams()].map(({ stream }) => stream)).size).toBe(600);
  });

  it("can be read in the same process too, and outlives its readers there", async () => {
    await store.append("a", 0, samples("a", 1, 2));
    const reader = await openEventReader(folder);
    const seen = firstValueFrom(follow(reader, folderChanges(folder)).pipe(take(3), toArray()));
    expect([...reader.readAll()].map(labelOf)).toEqual(["a 1", "a 2"]);
    await store.append("a", 2, samples("a", 3, 1));
    expect((await seen).map(labelOf)).toEqual(["a 1", "a 2", "a 3"]);
    await reader.close();
    await store.append("a", 3, samples("a", 4, 1));
    await store.flushed();
    expect(store.version("a")).toBe(4);
  });

  it("keeps few snapshots, however long it is written and followed", async () => {
    const reader = await openEventReader(folder);
    const followed = firstValueFrom(follow(reader, folderChanges(folder)).pipe(take(3000), toArray()));
    for (let version = 0; version < 3000; version++) {
      await store.append("a", version, samples("a", version + 1, 1));
      if (version % 100 === 0) await store.flushed();
    }
    await followed;
    await reader.close();
    // Each of the 3000 commits has some ten pages. If they were not reused, the file would have 120 MB.
    expect(statSync(join(folder, "data.mdb")).size).toBeLessThan(40 << 20);
  });

  it("cannot be read if it does not exist", async () => {
    for (const where of [newFolder(), parent]) {
      await expect(openEventReader(where)).rejects.toMatchObject({
        code: "STORE_FAILED",
        message: expect.stringContaining(`no event log in ${where}`),
      });
    }
  });

  it("returns errors of the file system unchanged", async () => {
    const file = join(parent, "file");
    rmSync(file, { force: true });
    await expect(openEventStore(join(folder, "data.mdb", "below"))).rejects.toMatchObject({
      code: "STORE_FAILED",
      failed: { errno: "ENOTDIR" },
    });
    chmodSync(folder, 0o700);
  });
});
