import { beforeAll, describe, expect, test } from "vitest";
import { TaskState } from "../../../src/grpc/generated/nomad/driver.ts";
import { errorOfCall } from "../../../src/grpc/status.ts";
import { type Agent, pidOf, readyTask, startAgent, startTask, waitTask } from "../../support/agent/agent.ts";
import { type Allocation, makeAllocation } from "../../support/agent/allocation.ts";
import { procStatus } from "../../support/host/processes.ts";

const longTime = { seconds: 600, nanos: 0 };
const noTime = { seconds: 0, nanos: 1_000_000 };

let agent: Agent;
beforeAll(async () => {
  agent = await startAgent();
});

describe("StopTask", () => {
  test("sends SIGINT, and returns when the task has ended by itself", async () => {
    const { allocation, config } = await started("trap 'echo bye; exit 5' INT; echo up; sleep 1000 & wait");
    const ended = waitTask(agent, config);
    await agent.driver.stopTask({ taskId: config.id, timeout: longTime, signal: "" });
    expect(allocation.cgroup.processes()).toEqual([]);
    expect(await ended).toEqual({ exitCode: 5, signal: 0, oomKilled: false });
    expect(await allocation.stdout.text()).toBe("up\nbye\n");
  });

  test("kills a task that has not ended at the timeout", async () => {
    const { allocation, config } = await started("trap '' INT; echo up; while :; do sleep 1000; done");
    await agent.driver.stopTask({ taskId: config.id, timeout: noTime, signal: "" });
    expect(allocation.cgroup.processes()).toEqual([]);
    expect(await waitTask(agent, config)).toEqual({ exitCode: 137, signal: 9, oomKilled: false });
  });

  test.each([
    ["SIGTERM", 15],
    ["TERM", 15],
    ["sigquit", 3],
    ["10", 10],
    ["SIGRTMIN+3", 37],
  ])("sends %s if the job names it", async (signal, number) => {
    const { config } = await started(`trap 'exit 3' ${number}; echo up; sleep 1000 & wait`);
    await agent.driver.stopTask({ taskId: config.id, timeout: longTime, signal });
    expect(await waitTask(agent, config)).toMatchObject({ exitCode: 3 });
  });

  test("waits for a month if the job says so, and not at all without a timeout", async () => {
    const allocation = makeAllocation();
    const open = allocation.gate();
    const trap = "trap 'echo stopping; read -r _ < $NOMAD_TASK_DIR/gate; exit 3' INT";
    const script = `${trap}; echo up; while :; do sleep 1000 & wait; done`;
    const { config } = await readyTask(agent, script, allocation);
    const month = { seconds: 31 * 86_400, nanos: 0 };
    const patient = agent.driver.stopTask({ taskId: config.id, timeout: month, signal: "" });
    await allocation.stdout.contains("stopping\n");
    open();
    expect(await patient).toEqual({});
    expect(await waitTask(agent, config)).toMatchObject({ exitCode: 3 });
    const { config: other } = await started("trap '' INT; echo up; while :; do sleep 1000; done");
    await agent.driver.stopTask({ taskId: other.id, signal: "" });
    expect(await waitTask(agent, other)).toMatchObject({ exitCode: 137 });
  });

  test("reports the signal that ended the task", async () => {
    const { config } = await started("echo up; exec sleep 1000");
    await agent.driver.stopTask({ taskId: config.id, timeout: longTime, signal: "SIGTERM" });
    expect(await waitTask(agent, config)).toEqual({ exitCode: 143, signal: 15, oomKilled: false });
  });

  test("refuses an unknown signal, and does nothing to the task", async () => {
    const { config } = await started("echo up; exec sleep 1000");
    const refused = await agent.driver
      .stopTask({ taskId: config.id, timeout: noTime, signal: "SIGBOGUS" })
      .catch(errorOfCall);
    expect(refused).toMatchObject({ code: "SIGNAL_UNKNOWN", recoverable: false });
    const { task } = await agent.driver.inspectTask({ taskId: config.id });
    expect(task?.state).toBe(TaskState.RUNNING);
  });

  test("succeeds for an ended task, and may be called twice at once", async () => {
    const { config } = await started("trap '' INT; echo up; while :; do sleep 1000; done");
    const stop = (timeout: typeof noTime) =>
      agent.driver.stopTask({ taskId: config.id, timeout, signal: "" });
    await Promise.all([stop(longTime), stop(noTime)]);
    await stop(noTime);
    expect(await waitTask(agent, config)).toMatchObject({ exitCode: 137 });
  });

  test("a task can be destroyed by force while it is stopping", async () => {
    const { allocation, config } = await started(
      "trap 'echo no' INT; echo up; while :; do sleep 1000 & wait; done",
    );
    const stopped = agent.driver.stopTask({ taskId: config.id, timeout: longTime, signal: "" });
    await allocation.stdout.contains("no\n");
    await agent.driver.destroyTask({ taskId: config.id, force: true });
    await stopped;
    expect(allocation.cgroup.processes()).toEqual([]);
  });
});

describe("no process survives its task", () => {
  /** Orphaned processes in their own sessions that ignore all signals that can be ignored. */
  const stubborn = `
    $SIG{$_} = "IGNORE" for qw(HUP INT QUIT TERM USR1 USR2 PIPE ALRM TSTP);
    use POSIX ();
    for (1..5) {
      next if fork;
      POSIX::setsid();
      exit if fork;
      sleep 1 while 1;
    }
    wait for 1..5;
    $| = 1;
    print "up\\n";`;

  test.each([
    ["ends by itself", "exit 4", undefined],
    ["is stopped", "sleep 1 while 1", "stop"],
    ["is destroyed", "sleep 1 while 1", "destroy"],
    ["is killed by somebody else", "kill KILL => $$", undefined],
  ])("that %s", async (_how, main, call) => {
    const allocation = makeAllocation();
    const args = ["-e", `${stubborn}\n${main}`];
    const config = allocation.config({ command: "perl", args });
    await startTask(agent, config);
    const ended = waitTask(agent, config);
    await allocation.stdout.contains("up\n");
    if (call === "stop") await agent.driver.stopTask({ taskId: config.id, timeout: noTime, signal: "" });
    if (call === "destroy") await agent.driver.destroyTask({ taskId: config.id, force: true });
    await ended;
    expect(allocation.cgroup.processes()).toEqual([]);
  });
});

test("a stopped init does not keep its run alive", async () => {
  const { allocation, config } = await started("echo up; exec sleep 1000");
  const init = Number(procStatus(await pidOf(agent, config)).PPid);
  process.kill(init, "SIGSTOP");
  const ended = waitTask(agent, config);
  await agent.driver.destroyTask({ taskId: config.id, force: true });
  expect(await ended).toEqual({ exitCode: 137, signal: 9, oomKilled: false });
  await allocation.cgroup.empty();
});

describe("a restart, whose new run shares the cgroup of the old run, ends only the old run", () => {
  test("if the old run is stopping", async () => {
    const { allocation, before, after } = restart(
      'trap "echo $RUN stopping; read -r _ < $NOMAD_TASK_DIR/gate; exit 3" INT',
    );
    const open = allocation.gate();
    await startTask(agent, before);
    await allocation.stdout.contains("old up\n");
    const ended = [waitTask(agent, before), waitTask(agent, before)];
    const stopped = agent.driver.stopTask({ taskId: before.id, timeout: longTime, signal: "" });
    await allocation.stdout.contains("old stopping\n");
    await startTask(agent, after);
    await allocation.stdout.contains("new up\n");
    open();
    await stopped;
    expect(await Promise.all(ended)).toMatchObject([{ exitCode: 3 }, { exitCode: 3 }]);
    await expectOnly(after, allocation);
  });

  test("if the old run has to be killed", async () => {
    const { allocation, before, after } = restart('trap "" INT');
    await startTask(agent, before);
    await allocation.stdout.contains("old up\n");
    const stopped = agent.driver.stopTask({ taskId: before.id, timeout: noTime, signal: "" });
    await startTask(agent, after);
    await stopped;
    expect(await waitTask(agent, before)).toMatchObject({ exitCode: 137, signal: 9 });
    await agent.driver.destroyTask({ taskId: before.id, force: true });
    await expectOnly(after, allocation);
  });

  function restart(trap: string) {
    const allocation = makeAllocation();
    const script = `${trap}; echo $RUN up; while :; do sleep 1000 & wait; done`;
    const run = (name: string) => allocation.config(script, { env: { RUN: name } });
    return { allocation, before: run("old"), after: run("new") };
  }

  /** Expects that only this run still has processes. */
  async function expectOnly(run: { id: string }, allocation: Allocation) {
    await allocation.stdout.contains("new up\n");
    const pid = await pidOf(agent, run);
    const processes = allocation.cgroup.processes();
    expect(processes).toContain(pid);
    expect(processes.filter((each) => each !== pid && Number(procStatus(each).PPid) !== pid)).toEqual([]);
    await agent.driver.destroyTask({ taskId: run.id, force: true });
  }
});

/**
 * Scripts with traps must use `wait`, because a shell runs a trap only after its foreground child has ended.
 */
function started(script: string) {
  return readyTask(agent, script);
}
