import assert from "node:assert/strict";
import { mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { runTask, waitTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { until } from "../../support/host/until.ts";
import { cgroupCount, cgroupFile, coresUsed } from "../support/cgroupFiles.ts";
import { cgroupMount } from "../support/prepareGuest.ts";
import { describe, onTestFinished, test } from "../support/runner.ts";
import { type RunningTask, startVmTask } from "../support/runningTask.ts";
import { eventData } from "../support/vmAgent.ts";

const busy = "while :; do :; done";

describe("cgroup", () => {
  test("if an agent kills a task's cgroup, the task's end is noticed, and its exit code is unknown", async () => {
    const { agent, allocation, config, cgroup } = await startVmTask({ command: "sleep 1000" });
    const waited = agent.driver.waitTask({ taskId: config.id });
    writeFileSync(`${cgroup}/cgroup.kill`, "1");
    await allocation.cgroup.empty();
    remove(cgroup);
    const { result, err } = await waited;
    assert.match(err, /exit code is unknown/);
    assert.partialDeepStrictEqual(result, { oomKilled: false });
    assert.notEqual(result?.exitCode, 0);
    await agent.driver.destroyTask({ taskId: config.id, force: true });
    assert.partialDeepStrictEqual(await runTask(agent, makeAllocation().config("exit 5")), { exitCode: 5 });
  });

  test("a task moved out of its cgroup goes on, and ends normally", async () => {
    const { agent, allocation, config, cgroup } = await startVmTask({
      command: {
        command: "perl",
        args: ["-e", '$| = 1; $SIG{USR1} = sub { exit 3 }; print "up\\n"; sleep 1 while 1'],
      },
    });
    await allocation.stdout.contains("up\n");
    for (const pid of cgroupFile(cgroup, "cgroup.procs").split("\n")) {
      writeFileSync(`${cgroupMount}/cgroup.procs`, pid);
    }
    remove(cgroup);
    await agent.driver.signalTask({ taskId: config.id, signal: "SIGUSR1" });
    assert.deepEqual(await waitTask(agent, config), { exitCode: 3, signal: 0, oomKilled: false });
  });

  test("a frozen task stops, and goes on when it is thawed", async () => {
    const task = await startVmTask({ command: busy });
    await freeze(task);
    assert.equal(await coresUsed(task.cgroup, 1000), 0);
    const { task: status } = await task.agent.driver.inspectTask({ taskId: task.config.id });
    assert.equal(status?.id, task.config.id);
    writeFileSync(`${task.cgroup}/cgroup.freeze`, "0");
    assert.ok((await coresUsed(task.cgroup, 1000)) > 0);
  });

  // SIGINT ends the first task, even if it is frozen. Only SIGKILL ends the second. Init can record neither
  // end.
  for (const [kind, command] of [
    ["polite", "exec sleep 1000"],
    ["stubborn", "trap '' INT; exec sleep 1000"],
  ] as const) {
    test(`a frozen ${kind} task can be stopped`, async () => {
      const task = await startVmTask({ command });
      const { agent, config, cgroup } = task;
      await freeze(task);
      await agent.driver.stopTask({ taskId: config.id, signal: "", timeout: { seconds: 1, nanos: 0 } });
      assert.equal(cgroupCount(cgroup, "cgroup.events", "populated"), 0);
      assert.deepEqual(await waitTask(agent, config), { exitCode: 137, signal: 9, oomKilled: false });
    });
  }

  test("tasks run without delegated controllers, and event and message name the missing limits", async () => {
    const slice = "bare.slice";
    mkdirSync(`${cgroupMount}/${slice}`);
    const { agent, config } = await startVmTask({
      slice,
      command: { command: "true", pids_limit: 50 },
      limits: { memoryMb: 32, cpuMhz: 500 },
    });
    assert.partialDeepStrictEqual(await waitTask(agent, config), { exitCode: 0 });
    const { limits } = await eventData(agent, config.id, "sandboxed");
    const missing = {
      "memory.max": "the cgroup has no memory controller",
      "memory.swap.max": "the kernel does not account for swap in this cgroup",
      "cpu.max": "the cgroup has no cpu controller",
      "cpu.weight": "the cgroup has no cpu controller",
      "pids.max": "the cgroup has no pids controller",
    };
    assert.deepEqual(Object.fromEntries(limits.map(({ file, reason = "" }) => [file, reason])), missing);
    assert.ok(limits.every(({ applied }) => !applied));
    const told = agent.messages.flatMap(({ taskId, message, annotations }) =>
      taskId === config.id && annotations.has("not_limited") ? message : [],
    );
    assert.deepEqual(told, [
      "Runs without memory.max (the cgroup has no memory controller), memory.swap.max (the kernel does not account for swap in this cgroup), cpu.max, cpu.weight (the cgroup has no cpu controller), pids.max (the cgroup has no pids controller)",
    ]);
  });
});

async function freeze({ cgroup }: RunningTask): Promise<void> {
  writeFileSync(`${cgroup}/cgroup.freeze`, "1");
  onTestFinished(() => writeFileSync(`${cgroup}/cgroup.freeze`, "0"));
  await until(() => cgroupCount(cgroup, "cgroup.events", "frozen") === 1, "everything in it is frozen");
}

/** Removes the cgroup as an agent does, and creates it again for the cleanup of the case. */
function remove(cgroup: string): void {
  rmdirSync(cgroup);
  onTestFinished(() => mkdirSync(cgroup));
}
