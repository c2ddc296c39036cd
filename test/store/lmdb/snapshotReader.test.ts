/** A reader beside a busy writer sees one commit, never pages of several. */
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openEventStore } from "../../../src/store/lmdb/lmdbEventStore.ts";
import { readMetaPages } from "../../../src/store/lmdb/lmdbFile.ts";
import { metaPageOf, newestMeta } from "../../../src/store/lmdb/pages.ts";
import { SnapshotReader } from "../../../src/store/lmdb/snapshotReader.ts";
import { sampleEvent } from "../../support/history/sampleEvents.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

/** Offsets of the commit's number in a meta page and in other pages. */
const [commitInMeta, commitInPage] = [152, 8];
/** Offset of the end of the list of nodes in a page. */
const lowerInPage = 20;

/** The file of a closed log with three events, and its meta pages. */
async function logOfThree(): Promise<{ readonly path: string; readonly metaPages: Buffer }> {
  const folder = temporaryFolder();
  const store = await openEventStore(folder);
  for (const version of [0, 1, 2]) await store.append("s", version, [sampleEvent(version)]);
  await store.close();
  const path = join(folder, "data.mdb");
  const file = openSync(path, "r");
  const metaPages = readMetaPages(file, path);
  closeSync(file);
  return { path, metaPages };
}

test("a page that a later commit has overwritten since the meta pages were read makes the reader begin anew", async () => {
  const { path, metaPages } = await logOfThree();
  const { commit, main } = newestMeta(metaPages);
  const pageSize = metaPages.length / 2;
  const later = BigInt(commit + 1);
  /** Changes pages as a later commit does that writes them. */
  const overwrite = (isWritten: (page: number) => boolean) => {
    const content = readFileSync(path);
    const [from, to] = [metaPageOf(commit) * pageSize, metaPageOf(commit + 1) * pageSize];
    // All of the meta page but its own number.
    content.copy(content, to + 8, from + 8, from + pageSize);
    content.writeBigUInt64LE(later, to + commitInMeta);
    for (let page = 2; page < content.length / pageSize; page += 1)
      if (isWritten(page)) content.writeBigUInt64LE(later, page * pageSize + commitInPage);
    writeFileSync(path, content, { flag: "r+" });
  };
  const reader = new SnapshotReader(path);
  try {
    const commits: number[] = [];
    const last = reader.read((snapshot) => {
      commits.push(snapshot.commit);
      overwrite((page) => page !== main.root || commits.length > 1);
      const records = snapshot.table("records");
      return records && snapshot.lastKey(records)?.toString("hex");
    });
    expect(commits).toEqual([commit, commit + 1]);
    expect(last).toBe("000000000003");
    expect([...reader.damage]).toEqual([]);
  } finally {
    reader.close();
  }
});

test("a page that lists fewer nodes than it has is damage, and the others are read", async () => {
  const { path, metaPages } = await logOfThree();
  const lastOf = (reader: SnapshotReader) =>
    reader.read((snapshot) => {
      const records = snapshot.table("records");
      return { root: records?.root ?? 0, last: records && snapshot.lastKey(records)?.toString("hex") };
    });
  const whole = new SnapshotReader(path);
  const { root, last } = lastOf(whole);
  expect([last, [...whole.damage]]).toEqual(["000000000003", []]);
  whole.close();
  const content = readFileSync(path);
  const listed = (root * metaPages.length) / 2 + lowerInPage;
  content.writeUInt16LE(content.readUInt16LE(listed) - 2, listed);
  writeFileSync(path, content);
  const damaged = new SnapshotReader(path);
  expect(lastOf(damaged).last).toBe("000000000002");
  expect([...damaged.damage]).toEqual([expect.stringContaining(`the nodes of page ${root} end at `)]);
  damaged.close();
});
