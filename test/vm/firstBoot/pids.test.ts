import assert from "node:assert/strict";
import { runTask, startTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { until } from "../../support/host/until.ts";
import { cgroupCount, cgroupFile } from "../support/cgroupFiles.ts";
import { describe, test } from "../support/runner.ts";
import { startVmTask } from "../support/runningTask.ts";
import { pidsLimit, sharedAgent } from "../support/vmAgent.ts";

/** Doubles its processes only eight times, so that it stops even without a limit. */
const bomb = { command: "perl", args: ["-e", "fork for 1..8; sleep 1000"] };

describe("pids", () => {
  test("a fork bomb reaches its own limit, and does not harm the host", async () => {
    const { agent, cgroup, config } = await startVmTask({ command: { ...bomb, pids_limit: 24 } });
    await until(() => cgroupCount(cgroup, "pids.events", "max") > 0, "a fork is refused");
    assert.equal(Number(cgroupFile(cgroup, "pids.current")), 24);
    assert.partialDeepStrictEqual(await runTask(agent, makeAllocation().config("exit 5")), { exitCode: 5 });
    await agent.driver.stopTask({ taskId: config.id, signal: "SIGTERM", timeout: { seconds: 1, nanos: 0 } });
    await until(() => cgroupFile(cgroup, "pids.current") === "0", "nothing is left of it");
  });

  test("a task without its own limit has the plugin's limit", async () => {
    const { cgroup } = await startVmTask({ command: bomb });
    await until(() => cgroupCount(cgroup, "pids.events", "max") > 0, "a fork is refused");
    assert.equal(Number(cgroupFile(cgroup, "pids.current")), pidsLimit);
  });

  test("a limit above the plugin's is refused", async () => {
    const config = makeAllocation().config({ ...bomb, pids_limit: pidsLimit + 1 });
    await assert.rejects(startTask(await sharedAgent(), config), /pids_limit/);
  });
});
