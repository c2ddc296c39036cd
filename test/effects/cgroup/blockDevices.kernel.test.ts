import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { describe, expect, it, onTestFinished } from "vitest";
import { findIoDevices, obeysWeights } from "../../../src/effects/cgroup/blockDevices.ts";
import { findCgroup2Mount } from "../../../src/effects/cgroup/cgroup.ts";
import { smallFileSystem, unmount } from "../../support/host/smallFileSystem.ts";
import { persistentFolders, temporaryFolder } from "../../support/host/temporaryFolder.ts";

const find = (...paths: string[]) =>
  findIoDevices(
    paths.map((path) => ({ what: path, path })),
    findCgroup2Mount(),
  );

describe("weights", () => {
  it.each<[schedulers: readonly string[], isObeyed: boolean]>([
    [[], false],
    [["none"], false],
    [["none", "none [mq-deadline] kyber", "none"], false],
    [["none", "[none] mq-deadline bfq", "none mq-deadline [bfq]"], true],
    [["[none] mq-deadline bfq", "none"], false],
  ])("with the schedulers %j have an effect: %j", (schedulers, isObeyed) => {
    const disks = temporaryFolder();
    for (const [index, text] of schedulers.entries()) {
      mkdirSync(`${disks}/${index}/queue`, { recursive: true });
      writeFileSync(`${disks}/${index}/queue/scheduler`, `${text}\n`);
    }
    expect(obeysWeights(undefined, disks)).toBe(isObeyed);
  });
});

describe("the disk behind a folder", () => {
  it("is a whole disk, once for all folders on it, or the reason why there is none", () => {
    const { devices, unlimited } = find(persistentFolders, `${persistentFolders}/dpkg`);
    expect(devices.length + new Set(unlimited.map((each) => each.replace(/^\S+/, ""))).size).toBe(1);
    for (const { name, number } of devices) {
      expect(readFileSync(`/sys/block/${name}/dev`, "utf8").trim()).toBe(number);
      expect(existsSync(`/sys/block/${name}/partition`)).toBe(false);
    }
  });

  it("of a loop device is this device", ({ skip }) => {
    const image = `${temporaryFolder(persistentFolders)}/image`;
    writeFileSync(image, "");
    truncateSync(image, 8 << 20);
    const run = (command: string, ...args: string[]) => spawnSync(command, args, { encoding: "utf8" });
    expect(run("mkfs.ext4", "-q", image).stderr).toBe("");
    const folder = temporaryFolder();
    const mounted = run("mount", "-o", "loop", image, folder);
    skip(mounted.status !== 0, `NOT TESTED: a loop device: ${mounted.stderr}`);
    onTestFinished(() => unmount(folder));
    const { devices, unlimited } = find(folder);
    expect(unlimited).toEqual([]);
    expect(devices).toEqual([
      { number: expect.stringMatching(/^7:/), name: expect.stringMatching(/^loop\d+$/), obeys: [] },
    ]);
  });

  it("is none for a folder in memory, and for what does not exist", () => {
    expect(find(smallFileSystem("1m"), "/nowhere/at/all")).toEqual({ devices: [], unlimited: [] });
  });

  it("is none for a file system that has no disk, with its type", () => {
    expect(find("/proc")).toEqual({ devices: [], unlimited: ["/proc (proc names no disk of its own)"] });
  });
});
