import { appendFileSync, existsSync, renameSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openEventStore } from "../../../src/store/lmdb/lmdbEventStore.ts";
import { WorkMark } from "../../../src/store/lmdb/workMark.ts";
import { sampleEvent } from "../../support/history/sampleEvents.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

const dataOf = (folder: string) => join(folder, "data.mdb");
const openMark = (folder: string) => WorkMark.open(folder, dataOf(folder));

function pathOf(folder: string): string {
  const { dev, ino } = statSync(folder, { bigint: true });
  return `/run/nomad-driver-exec2.log-${dev}-${ino}`;
}

function replace(file: string): void {
  renameSync(file, `${file}.old`);
  writeFileSync(file, "data");
}

it("the mark says whether the earlier writer was working when it died", () => {
  const folder = temporaryFolder();
  writeFileSync(dataOf(folder), "data");
  const first = openMark(folder);
  expect(first.isTrusted).toBe(false);
  first.opening(false);
  expect(openMark(folder).isTrusted).toBe(false);
  first.opened();
  expect(first.during(() => openMark(folder).isTrusted)).toBe(false);
  expect(openMark(folder).isTrusted).toBe(true);
  expect(() =>
    first.during(() => {
      throw new Error("an action that fails");
    }),
  ).toThrow("that fails");
  expect(openMark(folder).isTrusted).toBe(true);
  first.remove();
});

it("the mark is not trusted twice in a row", () => {
  const folder = temporaryFolder();
  writeFileSync(dataOf(folder), "data");
  const marks = [false, true, false].map((unchecked) => {
    const mark = openMark(folder);
    expect(mark.isTrusted).toBe(unchecked);
    mark.opening(unchecked);
    mark.opened();
    return mark;
  });
  for (const mark of marks) mark.remove();
});

it.each<[string, (data: string) => void]>([
  ["appended to", (data) => appendFileSync(data, "more")],
  ["overwritten with as many bytes", (data) => writeFileSync(data, "date")],
  [
    "touched, with its times set back",
    (data) => utimesSync(data, statSync(data).atime, statSync(data).mtime),
  ],
  ["replaced", replace],
  ["removed", (data) => renameSync(data, `${data}.old`)],
])("the mark is not trusted if the data was %s after the writer's last commit", (_what, change) => {
  const folder = temporaryFolder();
  writeFileSync(dataOf(folder), "data");
  const mark = openMark(folder);
  mark.opening(false);
  mark.opened();
  expect(openMark(folder).isTrusted).toBe(true);
  change(dataOf(folder));
  expect(openMark(folder).isTrusted).toBe(false);
  mark.committed();
  expect(openMark(folder).isTrusted).toBe(true);
  mark.remove();
});

it("the mark belongs to a renamed log, and not to its replacement", () => {
  const parent = temporaryFolder();
  const folder = `${parent}.log`;
  renameSync(parent, folder);
  const mark = openMark(folder);
  mark.opening(false);
  mark.opened();
  renameSync(folder, parent);
  expect(openMark(parent).isTrusted).toBe(true);
  mark.remove();
});

it("the mark exists only while a log is open", async () => {
  const folder = temporaryFolder();
  const store = await openEventStore(folder);
  expect(openMark(folder).isTrusted).toBe(true);
  await store.append("s", 0, [sampleEvent(1)]);
  [...store.readAll(1)];
  expect(openMark(folder).isTrusted).toBe(true);
  await store.close();
  expect(existsSync(pathOf(folder))).toBe(false);
});
