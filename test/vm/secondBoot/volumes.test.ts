import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { runTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { volumeMount } from "../../support/agent/requests.ts";
import { recallTask, volumeOwner, volumesStateDir } from "../support/beforeReboot.ts";
import { shareSlice } from "../support/prepareGuest.ts";
import { describe, test } from "../support/runner.ts";
import { resourcesOf } from "../support/runningTask.ts";
import { startVmAgent } from "../support/vmAgent.ts";
import { volumeOfReboot } from "../support/volumes.ts";

describe("volumes of another user over a reboot", () => {
  test("after: its files belong to its owner, and to the user of the next task inside", async () => {
    const { handle } = recallTask("mapped");
    const source = volumeOfReboot();
    const plugin = await startVmAgent({ allow_idmapped_volumes: true }, volumesStateDir);
    await assert.rejects(plugin.driver.recoverTask({ taskId: "", handle }), /rebooted/);
    const allocation = makeAllocation({ slice: shareSlice });
    assert.notEqual(allocation.user.name, handle.config?.user);
    const script = "cat /srv/before; stat -c %u /srv/before; echo after >> /srv/before";
    const config = allocation.config(
      { command: "sh", args: ["-c", script], idmapped_volumes: ["/srv"] },
      { mounts: [volumeMount(source, "/srv")], resources: resourcesOf(allocation, {}) },
    );
    assert.partialDeepStrictEqual(await runTask(plugin, config), { exitCode: 0 });
    assert.equal(await allocation.stdout.text(), `before\n${allocation.user.uid}\n`);
    const { uid, gid } = statSync(`${source}/before`);
    assert.deepEqual({ uid, gid }, volumeOwner);
  }, 240_000);
});
