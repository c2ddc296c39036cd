import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { runTask } from "../../support/agent/agent.ts";
import { Allocation } from "../../support/agent/allocation.ts";
import { mountQuotaDisk } from "../../support/host/quotaDisk.ts";
import { diskImage, diskStateDir, recallTask } from "../support/beforeReboot.ts";
import { shareSlice } from "../support/prepareGuest.ts";
import { describe, test } from "../support/runner.ts";
import { resourcesOf } from "../support/runningTask.ts";
import { eventData, startVmAgent } from "../support/vmAgent.ts";

const MiB = 2 ** 20;

describe("disk limits over a reboot", () => {
  test("after: the lost task's limit stays until the next run, for which its files count", async () => {
    const { taskId } = recallTask("limited");
    const disk = mountQuotaDisk("ext4", diskImage, "/run/disk-reboot");
    const [before] = disk.projects().filter(({ limitBytes }) => limitBytes > 0);
    assert.equal(before?.limitBytes, 4 * MiB);
    const plugin = await startVmAgent({}, diskStateDir);
    assert.equal(disk.usage(before.id).limitBytes, 4 * MiB);
    const [id = ""] = taskId.split("/");
    // The pipes of the agent that was there before. This one makes its own.
    for (const stream of ["stdout", "stderr"])
      rmSync(`${disk.path}/alloc/${id}/alloc/logs/.main.${stream}.fifo`, { force: true });
    const allocation = new Allocation({ id, slice: shareSlice, dataDir: disk.path });
    const script = "head -c 16M /dev/zero > $NOMAD_TASK_DIR/b; wc -c < $NOMAD_TASK_DIR/b";
    const task = allocation.config(
      { command: "sh", args: ["-c", script], disk_limit: 5 },
      { resources: resourcesOf(allocation, {}) },
    );
    await runTask(plugin, task);
    assert.ok(Number(await allocation.stdout.text()) <= 1.1 * MiB);
    const { disk: recorded } = await eventData(plugin, task.id, "sandboxed");
    assert.ok(disk.projects().some(({ id: project }) => project === recorded?.project));
    await allocation.remove();
  }, 240_000);
});
