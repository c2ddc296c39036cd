/** The folders of runs: how they are created, removed, and kept for later runs. */
import { closeSync, constants, openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { makeRunFiles, removeRunFiles, removeSpareFolders } from "../../../src/effects/files/runFiles.ts";
import { readExitStatus, readRecordedTask } from "../../../src/effects/processes/statusFile.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

afterEach(removeSpareFolders);

/** Creates a run's folder with a recorded exit status 7. */
function usedFolder(run: string, name: string) {
  const files = makeRunFiles(join(run, name));
  const recorded = Buffer.alloc(264);
  recorded.writeInt32LE(7 << 8);
  recorded.set(readFileSync("/proc/self/stat").subarray(0, 200), 16);
  writeFileSync(files.status, recorded);
  expect(readExitStatus(files.status)).toMatchObject({ exitCode: 7 });
  expect(readRecordedTask(files.status)).toMatchObject({ pid: process.pid });
  return files;
}

it("the folder of an ended run is reused by a later run, with a blank record", () => {
  const run = temporaryFolder();
  removeRunFiles(usedFolder(run, "first").folder);
  expect(readdirSync(run)).toEqual([expect.stringMatching(/^spare-/)]);
  const files = makeRunFiles(join(run, "second"));
  expect(readdirSync(run)).toEqual(["second"]);
  expect(readdirSync(files.folder).sort()).toEqual(["alive", "status"]);
  expect(readExitStatus(files.status)).toBeUndefined();
  expect(readRecordedTask(files.status)).toBeUndefined();
});

it("a folder whose init may still live is not reused, because init would record its end there", () => {
  const run = temporaryFolder();
  const { folder, alive } = usedFolder(run, "lost");
  const init = openSync(alive, constants.O_RDWR);
  removeRunFiles(folder);
  closeSync(init);
  expect(readdirSync(run)).toEqual([]);
});

it("a folder with files of its task is not reused", () => {
  const run = temporaryFolder();
  const { folder, hosts } = usedFolder(run, "named");
  writeFileSync(hosts, "127.0.0.1 secret");
  removeRunFiles(folder);
  expect(readdirSync(run)).toEqual([]);
});

it("a few are kept, and removed at the end", () => {
  const run = temporaryFolder();
  const used = Array.from({ length: 40 }, (_, number) => usedFolder(run, `run-${number}`));
  for (const { folder } of used) removeRunFiles(folder);
  expect(readdirSync(run).length).toBeLessThanOrEqual(16);
  removeSpareFolders();
  expect(readdirSync(run)).toEqual([]);
});

it("a folder that is in a new run's place is replaced", () => {
  const run = temporaryFolder();
  removeRunFiles(usedFolder(run, "other").folder);
  usedFolder(run, "again");
  const files = makeRunFiles(join(run, "again"));
  expect(readExitStatus(files.status)).toBeUndefined();
  expect(readdirSync(run)).toEqual(["again"]);
});
