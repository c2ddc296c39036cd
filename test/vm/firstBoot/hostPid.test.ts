/**
 * Limits of a run in the host's pid namespace. The limits are set on the task's cgroup, and the run is in a
 * cgroup below it.
 */
import assert from "node:assert/strict";
import { TaskState } from "../../../src/grpc/generated/nomad/driver.ts";
import { waitTask } from "../../support/agent/agent.ts";
import { until } from "../../support/host/until.ts";
import { cgroupCount, cgroupFile, coresUsed } from "../support/cgroupFiles.ts";
import { describe, test } from "../support/runner.ts";
import { type Limits, startVmTask } from "../support/runningTask.ts";
import { eventData, mhzPerCore } from "../support/vmAgent.ts";

describe("in the host's pid namespace", () => {
  test("a task over its memory limit is killed, and its result and event say why", async () => {
    const dd = { command: "dd", args: ["if=/dev/zero", "of=/dev/null", "bs=64M", "count=1"] };
    const { agent, allocation, config } = await inHostPids(dd, { memoryMb: 32 });
    assert.deepEqual(await waitTask(agent, config), { exitCode: 137, signal: 9, oomKilled: true });
    assert.partialDeepStrictEqual(await eventData(agent, config.id, "exited"), {
      oom: { kills: 1, limitBytes: 32 << 20 },
      source: "status",
    });
    assert.deepEqual(allocation.cgroup.below(), []);
  });

  test("a daemon over the task's memory limit is killed, which is reported, and the task goes on", async () => {
    const script =
      'setsid dd if=/dev/zero of=/dev/null bs=64M count=1 & wait $!; echo killed; until [ -r "$NOMAD_TASK_DIR/gate" ]; do sleep 0.1; done; read -r _ < "$NOMAD_TASK_DIR/gate"; exit 0';
    const sh = { command: "sh", args: ["-c", script] };
    const { agent, allocation, config } = await inHostPids(sh, { memoryMb: 32 });
    const goOn = allocation.gate();
    await allocation.stdout.contains("killed\n");
    const isOom = ({ taskId, annotations }: (typeof agent.messages)[number]) =>
      taskId === config.id && annotations.has("oom_kills");
    await until(() => agent.messages.some(isOom), "the kill is reported");
    goOn();
    assert.partialDeepStrictEqual(await waitTask(agent, config), { exitCode: 0, oomKilled: false });
  });

  test("a fork bomb reaches its limit, in which its init counts, and is ended as a whole", async () => {
    const bomb = { command: "perl", args: ["-e", "fork for 1..8; setpgrp; sleep 1000"], pids_limit: 24 };
    const { agent, allocation, cgroup, config } = await inHostPids(bomb);
    await until(() => cgroupCount(cgroup, "pids.events", "max") > 0, "a fork is refused");
    assert.equal(Number(cgroupFile(cgroup, "pids.current")), 24);
    await agent.driver.stopTask({ taskId: config.id, signal: "SIGTERM", timeout: { seconds: 1, nanos: 0 } });
    assert.deepEqual(allocation.cgroup.below(), []);
    await until(() => cgroupFile(cgroup, "pids.current") === "0", "nothing is left of it");
  });

  test("a root task that tries to kill every process reaches only its own processes", async () => {
    const everyone = "sleep 1000 & kill -KILL -1; wait $!; echo $?";
    const root = { name: "root", uid: 0, gid: 0 };
    const command = { command: "sh", args: ["-c", everyone], pid_mode: "host" };
    const neighbour = await startVmTask({ command: "exec sleep 1000", user: root });
    const { agent, allocation, config } = await startVmTask({ command, user: root });
    assert.partialDeepStrictEqual(await waitTask(agent, config), { exitCode: 0 });
    assert.equal(await allocation.stdout.text(), "137\n");
    const { task } = await agent.driver.inspectTask({ taskId: neighbour.config.id });
    assert.equal(task?.state, TaskState.RUNNING);
  });

  test("a task uses as much CPU as its limit allows, and its own cgroup has no controllers", async () => {
    const busy = { command: "sh", args: ["-c", "while :; do :; done"] };
    const { allocation, cgroup } = await inHostPids(busy, { cpuMhz: mhzPerCore / 4 });
    const [own = ""] = allocation.cgroup.below();
    assert.equal(cgroupFile(own, "cgroup.controllers"), "");
    assert.equal(cgroupFile(cgroup, "cgroup.subtree_control"), "");
    const used = await coresUsed(cgroup);
    assert.ok(used > 0.15 && used < 0.35, `${used} cores`);
  });
});

function inHostPids(command: object, limits: Limits = {}) {
  return startVmTask({ command: { ...command, pid_mode: "host" }, limits });
}
