import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { DriverError } from "../../../src/base/errors.ts";
import { errorOfCall } from "../../../src/grpc/status.ts";
import { runTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { rebootStateDir, recallTask } from "../support/beforeReboot.ts";
import { describe, onTestFinished, test } from "../support/runner.ts";
import { eventData, startVmAgent, type VmAgent } from "../support/vmAgent.ts";

let started: Promise<VmAgent> | undefined;

describe("reboot", () => {
  test("after: a task that ran is lost, and unrelated processes with its pids live on", async () => {
    const { taskId, handle, pids } = recallTask("running");
    const strangers = await Promise.all(pids.map(strangerWith));
    const agent = await agentAfter();
    const { driver } = agent;

    const refused = await driver.recoverTask({ taskId: "", handle }).catch(errorOfCall);
    assert.ok(refused instanceof DriverError);
    assert.equal(refused.code, "TASK_LOST");
    assert.match(refused.message, /rebooted/);
    assert.match((await eventData(agent, taskId, "lost")).reason, /rebooted/);

    // The calls of an agent for a task that it cannot recover, and some more.
    await driver.stopTask({ taskId, signal: "SIGKILL", timeout: { seconds: 1, nanos: 0 } });
    await assert.rejects(driver.signalTask({ taskId, signal: "SIGKILL" }));
    await driver.destroyTask({ taskId, force: true });
    for (const stranger of strangers) {
      assert.deepEqual([stranger.exitCode, stranger.signalCode], [null, null]);
      process.kill(stranger.pid as number, 0);
    }
  });

  test("after: a task that had ended is known with its exit code", async () => {
    const { taskId, handle } = recallTask("ended");
    const { driver } = await agentAfter();
    await driver.recoverTask({ taskId: "", handle });
    const { result } = await driver.waitTask({ taskId });
    assert.deepEqual(result, { exitCode: 3, signal: 0, oomKilled: false });
    await driver.destroyTask({ taskId, force: true });
  });

  test("after: a lost task can be started anew", async () => {
    const [id = ""] = recallTask("running").taskId.split("/");
    const allocation = makeAllocation({ id });
    assert.partialDeepStrictEqual(await runTask(await agentAfter(), allocation.config("exit 4")), {
      exitCode: 4,
    });
  });
});

/** The agent after the reboot. The first case that needs it starts it, after the unrelated processes. */
function agentAfter(): Promise<VmAgent> {
  started ??= startVmAgent({}, rebootStateDir);
  return started;
}

/** An unrelated process with the given pid, for the duration of the case. */
async function strangerWith(pid: number): Promise<ChildProcess> {
  for (let attempt = 0; attempt < 20; attempt++) {
    // The kernel assigns the next pid after this one: namespaces(7), /proc/sys/kernel/ns_last_pid.
    writeFileSync("/proc/sys/kernel/ns_last_pid", String(pid - 1));
    const stranger = spawn("sleep", ["1000"], { stdio: "ignore" });
    onTestFinished(() => stranger.kill("SIGKILL"));
    await once(stranger, "spawn");
    if (stranger.pid === pid) return stranger;
    stranger.kill("SIGKILL");
  }
  throw new Error(`no process could be had with pid ${pid}`);
}
