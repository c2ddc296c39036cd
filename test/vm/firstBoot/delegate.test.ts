/** Tasks with a subtree of cgroups of their own, where the kernel has controllers. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, rmdirSync } from "node:fs";
import { waitTask } from "../../support/agent/agent.ts";
import { execScript } from "../../support/agent/execCall.ts";
import { until } from "../../support/host/until.ts";
import { cgroupCount, cgroupFile, coresUsed } from "../support/cgroupFiles.ts";
import { describe, onTestFinished, test } from "../support/runner.ts";
import { type Limits, type RunningTask, startVmTask } from "../support/runningTask.ts";
import { eventData, mhzPerCore } from "../support/vmAgent.ts";

const root = { name: "root", uid: 0, gid: 0 };

/** The task's own subtree, as the host sees it. */
function subtreeOf({ allocation }: RunningTask): string {
  return allocation.cgroup.below().find((path) => path.includes("/exec2-task-")) ?? "";
}

function delegated(script: string, limits: Limits = {}, user?: typeof root, more: object = {}) {
  const command = {
    command: "sh",
    args: ["-c", script],
    cgroup_delegate: true,
    unveil: ["r:/proc"],
    ...more,
  };
  return startVmTask({ command, limits, ...(user && { user }) });
}

/** What a supervisor does at its start: it moves down, since a cgroup has either processes or controllers. */
const moveDown =
  'cd /sys/fs/cgroup; mkdir main; echo $$ > main/cgroup.procs; for c in $(cat cgroup.controllers); do echo "+$c" > cgroup.subtree_control || exit 9; done';

/** A unit of systemd, written by a shell. */
const unit = (name: string, ...lines: readonly string[]) =>
  `printf '%s\\n' '[Unit]' DefaultDependencies=no ${lines.map((line) => `'${line}'`).join(" ")} > "$units/${name}"`;

/** systemd as the manager of the task's user, with two services. */
const systemdScript = `
  export XDG_RUNTIME_DIR="$NOMAD_TASK_DIR/run" HOME="$NOMAD_TASK_DIR"
  units="$XDG_RUNTIME_DIR/systemd/user"; mkdir -p "$units"; chmod 700 "$XDG_RUNTIME_DIR"
  ${unit("main.target", "Wants=hog.service quiet.service")}
  ${unit("hog.service", "[Service]", "MemoryMax=16M", "ExecStart=/usr/bin/dd if=/dev/zero of=/dev/null bs=64M count=1")}
  ${unit("quiet.service", "[Service]", "TasksMax=10", "ExecStart=/usr/bin/sleep 1000")}
  exec /usr/lib/systemd/systemd --user --unit=main.target --log-target=console`;

describe("cgroups of a task's own", () => {
  test("a supervisor limits its services with the controllers of the task's cgroup", async () => {
    const script = `${moveDown}; mkdir web batch; cat web/cgroup.controllers
      echo 16777216 > web/memory.max; echo 10 > batch/pids.max; echo "20000 100000" > batch/cpu.max
      (echo 0 > web/cgroup.procs; exec dd if=/dev/zero of=/dev/null bs=64M count=1); echo web $?
      (echo 0 > batch/cgroup.procs; exec sh -c 'while :; do :; done') & echo up; wait`;
    const task = await delegated(script, { memoryMb: 96, cpuMhz: 2 * mhzPerCore });
    const { agent, allocation, cgroup, config } = task;
    await allocation.stdout.contains("up\n");
    const subtree = subtreeOf(task);
    for (const controller of ["cpu", "memory", "pids", "io"])
      assert.ok(cgroupFile(`${subtree}/web`, "cgroup.controllers").split(" ").includes(controller));
    assert.equal(cgroupFile(`${subtree}/web`, "memory.max"), String(16 << 20));
    assert.equal(cgroupFile(cgroup, "memory.max"), String(96 << 20));
    assert.equal(cgroupCount(`${subtree}/web`, "memory.events", "oom_kill"), 1);
    const used = await coresUsed(cgroup);
    assert.ok(used > 0.1 && used < 0.35, `${used} cores`);
    const { limits } = await eventData(agent, config.id, "sandboxed");
    assert.ok(limits.some(({ file, applied }) => file === "cgroup.subtree_control" && applied));
    const { stdout } = await execScript(agent, config.id, "cat /proc/self/cgroup");
    assert.match(String(stdout), /\/exec2-exec-[^/]*\.scope\n$/);
    await agent.driver.stopTask({ taskId: config.id, signal: "", timeout: { seconds: 1, nanos: 0 } });
    assert.deepEqual(allocation.cgroup.below(), []);
    assert.match(await allocation.stdout.text(), /^[a-z ]*\bmemory\b[a-z ]*\nweb 137\nup\n$/);
  });

  test("a task that takes its own limits away stays within those of the agent's cgroup", async () => {
    const script = `${moveDown}; mkdir hog; for f in memory.max memory.swap.max pids.max; do echo max > hog/$f; done
      for f in memory.max memory.swap.max pids.max cgroup.max.descendants; do echo max 2>/dev/null > $f && echo own $f; done
      echo 0 > hog/cgroup.procs; exec dd if=/dev/zero of=/dev/null bs=256M count=1`;
    for (const user of [undefined, root]) {
      const { agent, allocation, cgroup, config } = await delegated(script, { memoryMb: 64 }, user);
      const { exitCode, oomKilled } = await waitTask(agent, config);
      assert.deepEqual({ exitCode, oomKilled }, { exitCode: 137, oomKilled: true });
      assert.equal(cgroupFile(cgroup, "memory.max"), String(64 << 20));
      assert.partialDeepStrictEqual(await eventData(agent, config.id, "exited"), {
        oom: { kills: 1, limitBytes: 64 << 20 },
      });
      // Root's own subtree has these files for root. Nothing but the agent's cgroup above it holds.
      if (user === undefined) assert.equal(await allocation.stdout.text(), "");
      assert.deepEqual(allocation.cgroup.below(), []);
    }
  });

  test("systemd runs services in them, each with its limits", async () => {
    // By this folder systemd knows that a host has booted with it, which the machine has not.
    mkdirSync("/run/systemd/system", { recursive: true });
    onTestFinished(() => rmdirSync("/run/systemd/system"));
    const task = await delegated(systemdScript, { memoryMb: 128 }, undefined, {
      unveil: ["r:/proc", "r:/run/systemd/system"],
    });
    const { agent, allocation, cgroup, config } = task;
    const service = `${subtreeOf(task)}/app.slice/quiet.service`;
    await until(() => existsSync(service) && cgroupFile(service, "cgroup.procs") !== "", "a service runs");
    assert.equal(cgroupFile(service, "pids.max"), "10");
    await until(() => cgroupCount(cgroup, "memory.events", "oom_kill") === 1, "the other reaches its limit");
    // systemd ends its services, and then itself.
    await agent.driver.stopTask({ taskId: config.id, signal: "SIGTERM", timeout: { seconds: 60, nanos: 0 } });
    assert.equal((await waitTask(agent, config)).exitCode, 0);
    assert.deepEqual(allocation.cgroup.below(), []);
  });

  test("in the host's root, a task has them where the host has its own", async () => {
    const script = "cd /sys/fs/cgroup; mkdir part && ls -d *.slice */";
    const { agent, allocation, config } = await delegated(script, {}, undefined, { root: "host" });
    await waitTask(agent, config);
    assert.equal(await allocation.stdout.text(), "part/\n");
    assert.deepEqual(allocation.cgroup.below(), []);
  });

  test("a fork bomb in a part of a task reaches the task's limit, and ends with the task", async () => {
    const script = `${moveDown}; mkdir a a/b; echo 0 > a/b/cgroup.procs; exec perl -e 'fork for 1..8; setpgrp; sleep 1000'`;
    const { agent, allocation, cgroup, config } = await delegated(script);
    await until(() => cgroupCount(cgroup, "pids.events", "max") > 0, "a fork is refused");
    await agent.driver.stopTask({ taskId: config.id, signal: "SIGTERM", timeout: { seconds: 1, nanos: 0 } });
    assert.deepEqual(allocation.cgroup.below(), []);
    assert.equal(cgroupFile(cgroup, "pids.current"), "0");
  });
});
