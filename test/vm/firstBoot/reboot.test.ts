import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { startTask, waitTask } from "../../support/agent/agent.ts";
import { Allocation } from "../../support/agent/allocation.ts";
import { rebootStateDir, rememberTask } from "../support/beforeReboot.ts";
import { cgroupFile } from "../support/cgroupFiles.ts";
import { shareSlice } from "../support/prepareGuest.ts";
import { describe, test } from "../support/runner.ts";
import { resourcesOf } from "../support/runningTask.ts";
import { startVmAgent } from "../support/vmAgent.ts";

describe("reboot", () => {
  test("before: one task runs and one has ended when the machine is switched off", async () => {
    const agent = await startVmAgent({}, rebootStateDir);
    // Uses pids that are free after the next boot, too.
    writeFileSync("/proc/sys/kernel/ns_last_pid", "25000");

    const ended = newAllocation("exit 3");
    const endedHandle = await startTask(agent, ended.config);
    assert.partialDeepStrictEqual(await waitTask(agent, ended.config), { exitCode: 3 });
    rememberTask("ended", { handle: endedHandle, pids: [] });

    const running = newAllocation("exec sleep 1000");
    const handle = await startTask(agent, running.config);
    const pids = cgroupFile(running.cgroup, "cgroup.procs").split("\n").map(Number);
    assert.equal(pids.length, 2);
    rememberTask("running", { handle, pids });
  });
});

/** An allocation that is not removed, because the machine is switched off. */
function newAllocation(script: string) {
  const allocation = new Allocation({ slice: shareSlice });
  const config = allocation.config(script, { resources: resourcesOf(allocation, {}) });
  return { config, cgroup: allocation.cgroup.path };
}
