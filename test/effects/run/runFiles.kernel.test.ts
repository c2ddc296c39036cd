/** The folders of runs: how they are created, removed, and kept for later runs. */
import { closeSync, constants, openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import {
  makeRunFiles,
  readExitStatus,
  readRecordedTask,
  removeRunFiles,
  removeSpareFolders,
} from "../../../src/effects/run/runFiles.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { TestRun } from "../../support/launch/launchRun.ts";

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
  expect(readdirSync(files.folder).sort()).toEqual(["alive", "logger", "status"]);
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

it("a few folders are kept for later runs, and removed at the plugin's end", () => {
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

describe("a recorded status", () => {
  it.each([
    [0x0000, { exitCode: 0, signal: 0 }],
    [0x0700, { exitCode: 7, signal: 0 }],
    [0xff00, { exitCode: 255, signal: 0 }],
    [0x0009, { exitCode: 0, signal: 9 }],
    [0x008b, { exitCode: 0, signal: 11 }],
  ])("of %i is decoded", (raw, expected) => {
    using run = new TestRun();
    const file = join(run.folder, "by-hand");
    writeFileSync(file, new Uint8Array(new Int32Array([raw]).buffer));
    expect(readExitStatus(file)).toMatchObject(expected);
  });

  it("is undefined if the file is empty or missing, and an error if the file cannot be read", () => {
    using run = new TestRun();
    writeFileSync(join(run.folder, "empty"), "");
    expect(readExitStatus(join(run.folder, "empty"))).toBeUndefined();
    expect(readExitStatus(join(run.folder, "missing"))).toBeUndefined();
    expect(() => readExitStatus(run.folder)).toThrow(expect.objectContaining({ code: "KERNEL_CALL_FAILED" }));
  });
});
