import { existsSync, renameSync, statSync } from "node:fs";
import { expect, it } from "vitest";
import { openEventStore } from "../../src/store/lmdb/lmdbEventStore.ts";
import { WorkMark } from "../../src/store/workMark.ts";
import { sampleEvent } from "../support/history/sampleEvents.ts";
import { temporaryFolder } from "../support/host/temporaryFolder.ts";

function pathOf(folder: string): string {
  const { dev, ino } = statSync(folder, { bigint: true });
  return `/run/nomad-driver-exec2.log-${dev}-${ino}`;
}

it("says whether the earlier writer was working when it died", () => {
  const folder = temporaryFolder();
  const first = WorkMark.open(folder);
  expect(first.leftResting).toBe(false);
  expect(first.during(() => WorkMark.open(folder).leftResting)).toBe(false);
  expect(WorkMark.open(folder).leftResting).toBe(true);
  expect(() =>
    first.during(() => {
      throw new Error("an action that fails");
    }),
  ).toThrow("that fails");
  expect(WorkMark.open(folder).leftResting).toBe(true);
  first.begin();
  expect(WorkMark.open(folder).leftResting).toBe(false);
  first.remove();
});

it("belongs to a renamed log, and not to its replacement", () => {
  const parent = temporaryFolder();
  const folder = `${parent}.log`;
  renameSync(parent, folder);
  const mark = WorkMark.open(folder);
  mark.end();
  renameSync(folder, parent);
  expect(WorkMark.open(parent).leftResting).toBe(true);
  mark.remove();
});

it("exists only while a log is open", async () => {
  const folder = temporaryFolder();
  const store = await openEventStore(folder);
  await store.append("s", 0, [sampleEvent(1)]);
  const mark = WorkMark.open(folder);
  expect(mark.leftResting).toBe(true);
  await store.close();
  expect(existsSync(pathOf(folder))).toBe(false);
});
