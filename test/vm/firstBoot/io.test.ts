import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
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

/** Starts a task with a volume on the machine's disk. */
async function startOnDisk(
  script: string,
  io: Readonly<Record<string, string>>,
  options: Readonly<Record<string, unknown>> = {},
) {
  const folder = hostFolder(undefined, diskFolder);
  chmodSync(folder, 0o777);
  const task = await startVmTask({
    command: { command: "sh", args: ["-c", script], io: [io], ...options },
    differing: { mounts: [volumeMount(folder, "/srv/disk")] },
  });
  return { ...task, volume: folder };
}
