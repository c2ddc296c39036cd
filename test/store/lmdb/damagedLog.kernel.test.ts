/**
 * Files that are not a log, or damaged logs. LMDB would crash on most of them, so each is opened in a child
 * process.
 */
import { spawnSync } from "node:child_process";
import { randomBytes, randomFillSync, randomInt } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { open } from "lmdb";
import { describe, expect, it } from "vitest";
import { openEventReader } from "../../../src/store/lmdb/eventReader.ts";
import { openEventStore } from "../../../src/store/lmdb/lmdbEventStore.ts";
import { findPageDefect } from "../../../src/store/lmdb/pageCheck.ts";
import { NodePage, newestMeta } from "../../../src/store/lmdb/pages.ts";
import { WorkMark } from "../../../src/store/lmdb/workMark.ts";
import { sampleEvent, samples } from "../../support/history/sampleEvents.ts";
import { LineProcess } from "../../support/host/lineProcess.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

const fixture = fileURLToPath(new URL("../../fixtures/openLog.ts", import.meta.url));
const EVENTS = 400;

function openInChild(role: "writer" | "reader", folder: string): Record<string, unknown> {
  const { stdout, stderr, signal, status } = spawnSync(process.execPath, [fixture, role, folder], {
    encoding: "utf8",
  });
  expect({ signal, status, stderr: stderr.replace(/^internal error.*/m, "").trim() }).toEqual({
    signal: null,
    status: 0,
    stderr: "",
  });
  return JSON.parse(stdout);
}

async function makeLog(folder: string): Promise<void> {
  const store = await openEventStore(folder);
  for (let version = 0; version < EVENTS; version += 10)
    await store.append("s", version, samples("s", version + 1, 10));
  await store.close();
}

/** Marks the log as open, as a dying writer leaves it. */
function markLeftOpen(folder: string): void {
  const file = join(folder, "checkpoint");
  const bytes = readFileSync(file);
  bytes[bytes.length - 1] = 1;
  writeFileSync(file, bytes);
}

type Damage = (data: Buffer) => Buffer | Uint8Array;
const patched =
  (at: number, patch: Uint8Array | number[]): Damage =>
  (data) => {
    data.set(patch, at);
    return data;
  };

const damages: readonly [name: string, damage: Damage, says: RegExp][] = [
  ["empty", () => Buffer.alloc(0), /missing, or empty/],
  ["a single byte", () => Buffer.from("x"), /cut to 1 bytes/],
  ["text", () => Buffer.from("not a database\n".repeat(100_000)), /not a database/],
  ["zeros", (data) => Buffer.alloc(data.length), /not a database/],
  ["random bytes", (data) => randomBytes(data.length), /not a database/],
  ["half of it", (data) => data.subarray(0, data.length >> 1), /cut to \d+ bytes/],
  ["all but the last page", (data) => data.subarray(0, data.length - 4096), /cut to \d+ bytes/],
  ["the first two pages", (data) => data.subarray(0, 8192), /cut to 8192 bytes/],
  ["a first page of zeros", patched(0, Buffer.alloc(4096)), /not a database/],
  ["a second page of zeros", patched(4096, Buffer.alloc(4096)), /not a database/],
  ["another format of LMDB", patched(28, [1]), /its format is 1, not 2/],
  ["an impossible page size", patched(48, [0xff, 0x0f]), /its page size is 4095/],
  [
    "zeros after the meta pages",
    (data) => Buffer.concat([data.subarray(0, 8192), Buffer.alloc(data.length - 8192)]),
    /MDB_CORRUPTED|page \d+ names another page/,
  ],
];

describe("a damaged data file is a clear error, never a crash:", () => {
  it.each(damages)("%s", async (_name, damage, says) => {
    const parent = temporaryFolder();
    await makeLog(join(parent, "good"));
    for (const role of ["writer", "reader"] as const) {
      const folder = join(parent, role);
      cpSync(join(parent, "good"), folder, { recursive: true });
      const file = join(folder, "data.mdb");
      writeFileSync(file, damage(readFileSync(file)));
      expect(openInChild(role, folder)).toEqual({
        code: "STORE_DAMAGED",
        message: expect.stringMatching(says),
        hint: expect.anything(),
      });
    }
  });

  it("a folder in its place", async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "data.mdb"));
    for (const role of ["writer", "reader"] as const) {
      expect(openInChild(role, folder)).toMatchObject({
        code: "STORE_DAMAGED",
        message: expect.stringContaining("not a regular file"),
      });
    }
  });
});

describe("damage anywhere in a log that was left open", () => {
  it("is found before LMDB sees it, or harms nothing: no process ends with a signal", async () => {
    const parent = temporaryFolder();
    await makeLog(join(parent, "good"));
    const good = readFileSync(join(parent, "good", "data.mdb"));
    const found = { damaged: 0, intact: 0 };
    for (let round = 0; round < 40; round++) {
      const folder = join(parent, `round-${round}`);
      cpSync(join(parent, "good"), folder, { recursive: true });
      markLeftOpen(folder);
      const data = Buffer.from(good);
      // A dozen sectors of noise after the meta pages.
      for (let sector = 0; sector < 12; sector++) {
        randomFillSync(data, 8192 + 512 * randomInt((data.length - 8192) / 512), 512);
      }
      writeFileSync(join(folder, "data.mdb"), data);
      const outcome = openInChild("writer", folder);
      expect(outcome.code ?? "intact").toMatch(/^(STORE_DAMAGED|intact)$/);
      if (outcome.code === undefined) found.intact += 1;
      else found.damaged += 1;
    }
    expect(found.damaged).toBeGreaterThan(0);
  });

  it.each<[string, (page: Buffer) => void, RegExp]>([
    ["another page", (page) => page.writeUInt32LE(77, 0), /names another page/],
    ["another kind", (page) => page.writeUInt16LE(7, 18), /is of kind 7/],
    ["impossible free space", (page) => page.writeUInt16LE(9, 20), /has its free space from 9/],
    [
      "a node outside of the page",
      (page) => page.writeUInt16LE(5000, 24),
      /node 0 of page \d+ is not within/,
    ],
  ])("causes an error that names the damage: %s", async (_name, damage, says) => {
    const folder = temporaryFolder();
    await makeLog(folder);
    const file = join(folder, "data.mdb");
    const data = readFileSync(file);
    const newer = data.readUIntLE(152, 6) > data.readUIntLE(4096 + 152, 6) ? 0 : 4096;
    const root = data.readUIntLE(newer + 96 + 40, 6);
    damage(data.subarray(4096 * root, 4096 * (root + 1)));
    writeFileSync(file, data);
    expect(await findPageDefect(file)).toEqual({ what: expect.stringMatching(says), onlyInFreeList: false });
  });

  it("is not reported in an intact log, with events of any size", async () => {
    const folder = temporaryFolder();
    const store = await openEventStore(folder);
    for (let version = 0; version < 200; version++) {
      await store.append("s", version, [sampleEvent("", { label: "x".repeat(50 * version) })]);
      if (version % 20 === 0) await store.flushed();
    }
    await store.close();
    expect(await findPageDefect(join(folder, "data.mdb"))).toBeUndefined();
  });
});

/**
 * Damages a page in the middle of the records' tree, so that LMDB crashes there. Both ends of the log stay
 * readable.
 */
function damageRecords(data: Buffer): void {
  const page = (number: number) => data.subarray(4096 * number, 4096 * (number + 1));
  const { root = 0 } = newestMeta(data.subarray(0, 8192)).main;
  const tables = new NodePage(page(root), root);
  const names = Array.from({ length: tables.length }, (_, at) => tables.text(at));
  const records = tables.data(names.findIndex((name) => name.startsWith("records")));
  if (records.kind !== "tree" || records.tree.root === undefined)
    throw new Error("the records are not a tree");
  const branch = new NodePage(page(records.tree.root), records.tree.root);
  const leaf = page(branch.child(branch.length >> 1));
  // An entry of a gibibyte. LMDB would copy it from beyond the file's end.
  leaf.writeUInt32LE(2 ** 30, 24 + leaf.readUInt16LE(24));
}

describe("a log whose writer was killed while it was idle", () => {
  async function killedAtRest(): Promise<string> {
    const folder = temporaryFolder();
    await makeLog(folder);
    const writer = new LineProcess("restingWriter", folder);
    await writer.written(1);
    await writer.kill();
    return folder;
  }

  /** Changes the log's data. A write also changes the file's version, but damage by the disk does not. */
  function damage(folder: string, by: "writing" | "the disk", change: (data: Buffer) => void): void {
    const file = join(folder, "data.mdb");
    const data = readFileSync(file);
    change(data);
    writeFileSync(file, data);
    if (by === "the disk") WorkMark.open(folder, file).committed();
  }

  it("is opened without a check of all pages, and checked once LMDB has crashed", async () => {
    const folder = await killedAtRest();
    expect(openInChild("writer", folder)).toEqual({ events: EVENTS });
    const again = new LineProcess("restingWriter", folder);
    await again.written(1);
    await again.kill();

    damage(folder, "the disk", damageRecords);
    const { signal } = spawnSync(process.execPath, [fixture, "writer", folder]);
    expect(["SIGBUS", "SIGSEGV"]).toContain(signal);
    expect(openInChild("writer", folder)).toMatchObject({
      code: "STORE_DAMAGED",
      message: expect.stringMatching(/an entry of page \d+ exceeds it/),
    });
  });

  it("is checked before LMDB opens it if somebody has written to it since", async () => {
    const folder = await killedAtRest();
    damage(folder, "writing", damageRecords);
    expect(openInChild("writer", folder)).toMatchObject({
      code: "STORE_DAMAGED",
      message: expect.stringMatching(/an entry of page \d+ exceeds it/),
    });
  });

  it("is checked if the killed writer itself had opened it without a check", async () => {
    const folder = await killedAtRest();
    const second = new LineProcess("restingWriter", folder);
    await second.written(1);
    await second.kill();
    damage(folder, "the disk", damageRecords);
    expect(openInChild("writer", folder)).toMatchObject({ code: "STORE_DAMAGED" });
  });

  it("does not crash two writers in a row, wherever it is damaged", { timeout: 120_000 }, async () => {
    for (let round = 0; round < 24; round++) {
      const folder = await killedAtRest();
      damage(folder, "the disk", (data) => {
        for (let sector = 0; sector < 12; sector++) {
          randomFillSync(data, 8192 + 512 * randomInt((data.length - 8192) / 512), 512);
        }
      });
      const { signal } = spawnSync(process.execPath, [fixture, "writer", folder]);
      if (signal !== null) openInChild("writer", folder);
    }
  });
});

describe("a database of another program", () => {
  it("is not changed", async () => {
    const folder = temporaryFolder();
    const foreign = open({ path: folder, noSubdir: false });
    await foreign.put("key", "value");
    await foreign.close();
    await expect(openEventStore(folder)).rejects.toMatchObject({
      code: "STORE_DAMAGED",
      message: expect.stringContaining("another program's"),
    });
  });
});

describe("damage that leaves the database itself whole", () => {
  it("is found at the event that contains it, and other events can be read", async () => {
    const folder = temporaryFolder();
    await makeLog(folder);
    const file = join(folder, "data.mdb");
    const data = readFileSync(file);
    for (let at = data.indexOf("s 123"); at >= 0; at = data.indexOf("s 123", at + 1))
      data[at] = "S".charCodeAt(0);
    writeFileSync(file, data);
    const reader = await openEventReader(folder);
    expect(() => [...reader.readAll()]).toThrow("the event at position 123 of the log is damaged: data");
    expect([...reader.readAll(124)]).toHaveLength(EVENTS - 123);
    expect([...reader.readRecords("s")]).toHaveLength(EVENTS);
    await reader.close();
  });

  it("is found in the newest event as soon as the log is opened for writing", async () => {
    const folder = temporaryFolder();
    const store = await openEventStore(folder);
    await store.append("s", 0, [sampleEvent("needle in the log")]);
    await store.close();
    const file = join(folder, "data.mdb");
    const data = readFileSync(file);
    for (let at = data.indexOf("needle"); at >= 0; at = data.indexOf("needle", at + 1)) data[at] = 0;
    writeFileSync(file, data);
    await expect(openEventStore(folder)).rejects.toMatchObject({
      code: "STORE_DAMAGED",
      message: expect.stringContaining("position 1"),
    });
    // The failed attempt has released the log. So a second attempt fails for the same reason, not at a lock.
    await expect(openEventStore(folder)).rejects.toThrow("damaged");
  });
});

describe("other files of a log", () => {
  it("can be missing or damaged: locks and checkpoints of a closed log are created again", async () => {
    for (const spoil of [
      (file: string) => rmSync(file),
      (file: string) => writeFileSync(file, randomBytes(9000)),
    ]) {
      const folder = temporaryFolder();
      await makeLog(folder);
      for (const name of ["lock.mdb", "checkpoint"]) spoil(join(folder, name));
      expect(openInChild("reader", folder)).toEqual({ events: EVENTS });
      expect(openInChild("writer", folder)).toEqual({ events: EVENTS });
      expect(openInChild("writer", folder)).toEqual({ events: EVENTS });
    }
  });
});
