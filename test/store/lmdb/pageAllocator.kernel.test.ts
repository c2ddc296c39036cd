/**
 * LMDB's page allocator, which once failed with MDB_NOTFOUND and nobody knows why (freeList.test.ts has a way to
 * make it fail). Everything that changes what the allocator does is done at random: flushes that pin an old snapshot
 * for long, removed streams, events of many pages, a map that grows, writers that are killed, and readers of another
 * process that are killed with their snapshot.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import type * as fs from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it, onTestFinished, vi } from "vitest";
import { openEventStore } from "../../../src/store/lmdb/lmdbEventStore.ts";
import { findPageDefect } from "../../../src/store/lmdb/pageCheck.ts";
import { findDefect } from "../../support/history/findDefect.ts";
import { sampleEvent } from "../../support/history/sampleEvents.ts";
import { LineProcess } from "../../support/host/lineProcess.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { rounds } from "../../support/rounds.ts";

/** `ALLOCATOR_ROUNDS=500 npx vitest run test/store/lmdb/pageAllocator.kernel.test.ts` shows the figures of so many. */
const shortRounds = 3;
const many = Number(process.env.ALLOCATOR_ROUNDS ?? rounds(shortRounds, 40));
const APPENDS = 600;

const counts = vi.hoisted(() => ({
  transactions: 0,
  /** LMDB's codes of transactions that have failed. */
  failed: [] as number[],
  appends: 0,
  removed: 0,
  pinnedMs: 0,
}));

/** A flush pins its snapshot until the next one. */
vi.mock("node:fs", async (importOriginal) => {
  const real = await importOriginal<typeof fs>();
  const fdatasync = (descriptor: number, done: (error: Error | null) => void) => {
    setTimeout(() => real.fdatasync(descriptor, done), Math.random() ** 2 * counts.pinnedMs);
  };
  return { ...real, fdatasync };
});

vi.mock("lmdb", async (importOriginal) => {
  const lmdb = await importOriginal<typeof import("lmdb")>();
  return {
    ...lmdb,
    open: (...args: Parameters<typeof lmdb.open>) => {
      const root = lmdb.open(...args);
      const { transactionSync } = root;
      root.transactionSync = function <T>(action: () => T, flags?: number): T {
        counts.transactions += 1;
        try {
          return transactionSync.call(this, action, flags) as T;
        } catch (thrown) {
          const { code } = thrown as { code?: unknown };
          if (typeof code === "number") counts.failed.push(code);
          throw thrown;
        }
      };
      return root;
    },
  };
});

const below = (limit: number) => Math.floor(Math.random() * limit);

/** Another process that reads with LMDB, and holds its snapshot until it is killed. */
async function heldSnapshot(folder: string): Promise<() => Promise<void>> {
  const script = `
    const { open } = require("lmdb");
    const root = open({ path: ${JSON.stringify(folder)}, noSubdir: false, readOnly: true, maxDbs: 4 });
    root.useReadTransaction();
    console.log("holds");
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  await once(child.stdout, "data");
  return async () => {
    child.kill("SIGKILL");
    await once(child, "exit");
  };
}

async function oneRound(folder: string): Promise<void> {
  const writer = new LineProcess("appendForever", folder, "killed");
  await writer.written(1);
  await sleep(Math.random() * 30);
  await writer.kill();

  counts.pinnedMs = [0, 30, 300, 3_000][below(4)] as number;
  const store = await openEventStore(folder, { mapBytes: 2 ** (18 + below(4)) });
  const release = below(3) === 0 ? await heldSnapshot(folder) : undefined;
  const releaseAt = below(APPENDS);
  const bytes = 10 ** (2 + below(4));
  const versions = new Map<string, number>();
  for (let append = 0; append < APPENDS; append++) {
    const stream = `s${below(40)}`;
    const version = versions.get(stream) ?? store.version(stream);
    const size = 1 + below(below(5) === 0 ? 60 : 2);
    const events = Array.from({ length: size }, (_, index) =>
      sampleEvent("", { label: version + index + 1, text: "x".repeat(below(bytes / size)) }),
    );
    await store.append(stream, version, events);
    counts.appends += 1;
    versions.set(stream, version + size);
    const old = `s${below(40)}`;
    const last = versions.get(old) ?? 0;
    if (last > 20 && below(2) === 0 && (await store.prune(old, last))) {
      versions.delete(old);
      counts.removed += 1;
    }
    if (append === releaseAt) await release?.();
  }
  const pinnedMs = counts.pinnedMs;
  counts.pinnedMs = 0;
  for (const [stream, version] of versions) expect(store.version(stream)).toBe(version);
  for (const head of store.streams())
    expect(findDefect(store.readRecords(head.stream), head)).toBeUndefined();
  await store.close();
  expect(await findPageDefect(join(folder, "data.mdb")), `flushes of ${pinnedMs} ms`).toBeUndefined();
}

it("takes every event, and leaves a file that is whole", { timeout: many * 60_000 }, async () => {
  for (let round = 0, folder = temporaryFolder(); round < many; round++) {
    if (round % 10 === 0) folder = temporaryFolder();
    await oneRound(folder);
  }
  const { transactions, failed, appends, removed } = counts;
  console.log({ rounds: many, transactions, failed, appends, removed });
  // Such a transaction is repeated, and no event is lost: failedCommit.test.ts. Only long runs look for its cause.
  if (many > shortRounds) expect(failed).toEqual([]);
});
