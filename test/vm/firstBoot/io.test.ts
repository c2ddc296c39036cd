import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { findIoDevices } from "../../../src/effects/cgroup/blockDevices.ts";
import { startTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { volumeMount } from "../../support/agent/requests.ts";
import { hostFolder } from "../../support/host/temporaryFolder.ts";
import { until } from "../../support/host/until.ts";
import { cgroupFile } from "../support/cgroupFiles.ts";
import { cgroupMount, diskFolder, shareSlice } from "../support/prepareGuest.ts";
import { describe, onTestFinished, test } from "../support/runner.ts";
import { type RunningTask, resourcesOf, startVmTask } from "../support/runningTask.ts";
import { eventData, sharedAgent } from "../support/vmAgent.ts";

/** The disk at {@link diskFolder}. */
const disk = readFileSync("/sys/block/vda/dev", "utf8").trim();

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: "utf8" }).trim();
}

/** A loop device. @param isDivided whether it has one partition, of {@link partitionMiB} */
function loopDevice(isDivided = false): string {
  loops += 1;
  const image = `/run/stack-${loops}.img`;
  writeFileSync(image, isDivided ? partitionTable() : "");
  truncateSync(image, 32 * MiB);
  const device = run("losetup", "--partscan", "--find", "--show", image);
  onTestFinished(() => run("losetup", "--detach", device));
  return device;
}

const partitionMiB = 30;

/** A master boot record with one partition of Linux, which begins after a MiB. */
function partitionTable(): Buffer {
  const record = Buffer.alloc(512);
  const [type, signature] = [0x83, 0xaa55];
  record.writeUInt8(type, 446 + 4);
  record.writeUInt32LE(Number(sectors(1)), 446 + 8);
  record.writeUInt32LE(Number(sectors(partitionMiB)), 446 + 12);
  record.writeUInt16LE(signature, 510);
  return record;
}

let loops = 0;
const MiB = 2 ** 20;
const sectors = (mebibytes: number) => String((mebibytes * MiB) / 512);

function module(name: string): void {
  spawnSync("modprobe", [name]);
}

/** Devices that are made of other ones: what is mounted, and the disk of which the kernel takes a limit. */
const stacks: Readonly<Record<string, () => { readonly mountOf: string; readonly limitedOn: string }>> = {
  "a loop device": () => {
    module("loop");
    const loop = loopDevice();
    return { mountOf: loop, limitedOn: loop };
  },
  "a partition": () => {
    module("loop");
    const loop = loopDevice(true);
    return { mountOf: `${loop}p1`, limitedOn: loop };
  },
  "device-mapper, on a partition": () => {
    for (const name of ["loop", "dm-mod"]) module(name);
    const loop = loopDevice(true);
    const name = "exec2-stack";
    const table = `0 ${sectors(partitionMiB)} linear ${loop}p1 0`;
    const control = ["--noudevsync", "--noudevrules"];
    run("dmsetup", "create", name, ...control, "--table", table);
    onTestFinished(() => run("dmsetup", "remove", ...control, "--retry", name));
    const minor = run("dmsetup", "info", "-c", "--noheadings", "-o", "minor", name);
    const device = `/dev/dm-${minor}`;
    return { mountOf: device, limitedOn: device };
  },
  RAID: () => {
    for (const name of ["loop", "md-mod", "raid1"]) module(name);
    const members = [loopDevice(), loopDevice()];
    const device = "/dev/md7";
    const level = ["--level=1", "--raid-devices=2", "--metadata=1.2", "--assume-clean", "--run"];
    run("mdadm", "--create", device, ...level, ...members);
    onTestFinished(() => run("mdadm", "--stop", device));
    return { mountOf: device, limitedOn: device };
  },
};

/** Writes 4 MiB to the volume, past the page cache, and says how many seconds that took. */
const writing = `begin=$(date +%s%N)
  dd if=/dev/zero of=/srv/disk/data bs=256k count=16 oflag=direct status=none
  echo $(( ($(date +%s%N) - begin) / 1000000 )) > /srv/disk/taken
  mv /srv/disk/taken /srv/disk/took; sleep 1000`;

describe("io", () => {
  test("a task's I/O on the disk of its volume is limited, measured, and told for what has no disk", async () => {
    const task = await startOnDisk(writing, { write: "1MiB", read_ops: "500" });
    assert.equal(cgroupFile(task.cgroup, "io.max"), `${disk} rbps=max wbps=1048576 riops=500 wiops=max`);
    const { limits } = await eventData(task.agent, task.config.id, "sandboxed");
    const io = limits.filter(({ file }) => file === "io.max");
    assert.deepEqual(
      io.map(({ applied }) => applied),
      [true, false, false],
      JSON.stringify(io),
    );
    assert.match(io[1]?.reason ?? "", /the task's folder \(.*\)/);
    await until(() => existsSync(`${task.volume}/took`), "it has written");
    const took = readFileSync(`${task.volume}/took`, "utf8");
    // Four seconds, without what the limit lets through at once.
    assert.ok(Number(took) > 2_500, `${took} ms`);
    const [, written] =
      new RegExp(`^${disk} .*wbytes=(\\d+)`, "m").exec(cgroupFile(task.cgroup, "io.stat")) ?? [];
    assert.ok(Number(written) >= 4 << 20, `${written} bytes`);
  }, 240_000);

  for (const [kind, make] of Object.entries(stacks)) {
    test(`a task's I/O on ${kind} is limited on the disk that the kernel limits, and measured`, async () => {
      const { mountOf, limitedOn } = make();
      const folder = `/run/stack-${kind.replaceAll(/\W+/g, "-")}`;
      run("mkfs.ext4", "-q", "-F", mountOf);
      mkdirSync(folder);
      run("mount", mountOf, folder);
      onTestFinished(() => run("umount", folder));
      const task = await startOnDisk(writing, { write: "1MiB" }, {}, folder);
      const number = readFileSync(`/sys/class/block/${basename(limitedOn)}/dev`, "utf8").trim();
      assert.equal(cgroupFile(task.cgroup, "io.max"), `${number} rbps=max wbps=1048576 riops=max wiops=max`);
      await until(() => existsSync(`${task.volume}/took`), "it has written");
      const took = readFileSync(`${task.volume}/took`, "utf8");
      assert.ok(Number(took) > 2_500, `${took} ms`);
      const [, written] =
        new RegExp(`^${number} .*wbytes=(\\d+)`, "m").exec(cgroupFile(task.cgroup, "io.stat")) ?? [];
      assert.ok(Number(written) >= 4 << 20, `${written} bytes`);
      const { driver } = task.agent;
      await driver.destroyTask({ taskId: task.config.id, force: true });
    }, 240_000);
  }

  test("network and stacked file systems are told, and nothing of them is limited", async () => {
    // The machine's root file system is another machine's: this one's. Folders that it may write to are overlays.
    const found = findIoDevices(
      ["/srv", "/proc", "/home", diskFolder].map((path) => ({ what: path, path })),
      cgroupMount,
    );
    assert.deepEqual(
      found.devices.map(({ number }) => number),
      [disk],
    );
    const [stacked, kernels, network, ...others] = found.unlimited;
    assert.equal(stacked, "/srv (overlay is stacked on other file systems)");
    assert.equal(kernels, "/proc (proc names no disk of its own)");
    assert.match(network ?? "", /^\/home \((virtiofs|9p) is served by another machine or a process\)$/);
    assert.deepEqual(others, []);
  });

  test("a weight is told where nothing obeys it, and written where iocost does", async () => {
    const ignored = await startOnDisk("sleep 1000", { weight: "50" });
    const weightOf = async ({ agent, config }: RunningTask) =>
      (await eventData(agent, config.id, "sandboxed")).limits.filter(({ file }) => file === "io.weight");
    assert.deepEqual(await weightOf(ignored), [
      {
        ...{ file: "io.weight", value: "default 50", applied: false },
        reason: "not on vda: a weight needs io.cost.qos or the I/O scheduler bfq there",
      },
    ]);
    const messages = () => ignored.agent.messages.filter(({ taskId }) => taskId === ignored.config.id);
    await until(
      () => messages().some(({ message }) => message.includes("Runs without io.weight (not on vda")),
      "the agent is told",
    );
    writeFileSync(`${cgroupMount}/io.cost.qos`, `${disk} enable=1`);
    onTestFinished(() => writeFileSync(`${cgroupMount}/io.cost.qos`, `${disk} enable=0`));
    const obeyed = await startOnDisk("sleep 1000", { weight: "50" });
    assert.deepEqual(await weightOf(obeyed), [{ file: "io.weight", value: "default 50", applied: true }]);
    assert.equal(cgroupFile(obeyed.cgroup, "io.weight"), "default 50");
  });

  test("a task that its limit holds back stalls, and a trigger of its pressure says so", async () => {
    const endless = "dd if=/dev/zero of=/srv/disk/data bs=256k count=1000 oflag=direct status=none";
    const task = await startOnDisk(endless, { write: "1MiB" }, { pressure: [{ io: "full 150ms 1s" }] });
    const stalled = () => eventData(task.agent, task.config.id, "stalled").catch(() => undefined);
    await until(async () => (await stalled()) !== undefined, "it stalls");
    const { waitedMs = 0, ...trigger } = (await stalled()) ?? {};
    assert.partialDeepStrictEqual(trigger, { resource: "io", kind: "full", stallMs: 150, windowMs: 1_000 });
    // The kernel's sum is some time behind its triggers.
    assert.ok(waitedMs >= 50, `${waitedMs} ms`);
  });

  test("a job's limit keeps its task from starting where no disk is behind its folders", async () => {
    const allocation = makeAllocation({ slice: shareSlice });
    const config = allocation.config(
      { command: "true", io: [{ read: "1MB" }] },
      { resources: resourcesOf(allocation, {}) },
    );
    await assert.rejects(startTask(await sharedAgent(), config), /CGROUP_UNSUPPORTED|no disk of this host/);
  });
});

/** Starts a task with a volume on the machine's disk, or on another one. */
async function startOnDisk(
  script: string,
  io: Readonly<Record<string, string>>,
  options: Readonly<Record<string, unknown>> = {},
  parent = diskFolder,
) {
  const folder = hostFolder(undefined, parent);
  chmodSync(folder, 0o777);
  const task = await startVmTask({
    command: { command: "sh", args: ["-c", script], io: [io], ...options },
    differing: { mounts: [volumeMount(folder, "/srv/disk")] },
  });
  return { ...task, volume: folder };
}
