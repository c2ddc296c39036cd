import { rmSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { decodeHandle, encodeHandle, type HandleState } from "../../../src/driver/recovery/taskHandle.ts";
import { msOf } from "../../../src/grpc/convert/time.ts";
import { type TaskHandle, TaskState } from "../../../src/grpc/generated/nomad/driver.ts";
import { errorOfCall } from "../../../src/grpc/status.ts";
import { stateFolderPaths } from "../../../src/store/folder/stateFolder.ts";
import { pidOf, readyTask, startAgent, startTask, waitTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { interruptStart } from "../../support/agent/interruptedStart.ts";
import { setConfig } from "../../support/agent/requests.ts";
import { prepareStart } from "../../support/agent/taskClient.ts";
import { eventsOf } from "../../support/history/eventLog.ts";
import { eventually } from "../../support/host/eventually.ts";
import { tracesOf } from "../../support/plugin/pluginTraces.ts";
import { startPlugin } from "../../support/plugin/startPlugin.ts";

describe("a StartTask that is repeated because the plugin died before its answer", () => {
  test("returns the task that already runs", async () => {
    const { allocation, config, agent, handle, pid } = await gatedTask("echo up; exec sleep 1000");
    await agent.crash();
    const next = await startAgent({ stateDir: agent.stateDir });
    const again = await startTask(next, config);
    expect(decodeHandle(again.driverState)).toEqual(decodeHandle(handle.driverState));
    expect(again.config?.env).toEqual(handle.config?.env);
    expect(allocation.cgroup.processes()).toEqual([pid]);
    await next.driver.stopTask({ taskId: config.id, timeout: { seconds: 600, nanos: 0 }, signal: "SIGTERM" });
    expect(await waitTask(next, config)).toMatchObject({ exitCode: 143, signal: 15 });
    expect(await allocation.stdout.text()).toBe("up\n");
  });

  test("succeeds, too, if the task has ended since, and WaitTask then returns the end", async () => {
    const { allocation, config, agent } = await gatedTask("echo up; exit 17");
    await agent.crash();
    await allocation.cgroup.empty();
    const next = await startAgent({ stateDir: agent.stateDir });
    await startTask(next, config);
    expect(await waitTask(next, config)).toMatchObject({ exitCode: 17 });
    expect(await allocation.stdout.text()).toBe("up\n");
  });

  test("starts the task if the first call did not", async () => {
    const agent = await startAgent();
    const allocation = makeAllocation();
    const config = allocation.config("echo up; exit 18");
    await interruptStart(agent, allocation, config);
    allocation.cgroup.thaw();
    const next = await startAgent({ stateDir: agent.stateDir });
    await startTask(next, config);
    expect(await waitTask(next, config)).toMatchObject({ exitCode: 18 });
    expect((await eventsOf(agent.stateDir, config.id)).map(({ to }) => to)).toEqual([
      ...["pending", "fingerprinted", "failed"],
      ...["pending", "fingerprinted", "sandboxed", "running", "exited"],
    ]);
  });

  test("is refused with a different request", async () => {
    const { allocation, config, agent, pid } = await gatedTask("echo up; exec sleep 1000");
    await agent.crash();
    const next = await startAgent({ stateDir: agent.stateDir });
    const other = { ...allocation.config("echo other"), id: config.id };
    await expect(startTask(next, other)).rejects.toThrow("TASK_EXISTS");
    expect(allocation.cgroup.processes()).toEqual([pid]);
  });
});

describe("a task of a dynamic user that a restarted agent starts again without a user", () => {
  test("runs as before, and the agent's log says so", async () => {
    const agent = await startAgent();
    const allocation = makeAllocation();
    const open = allocation.gate();
    const script = "read -r _ < $NOMAD_TASK_DIR/gate; id -u; id -g; exit 9";
    const config = allocation.config(script);
    const handle = await startTask(agent, config);
    await agent.crash();
    const next = await startAgent({ stateDir: agent.stateDir });
    await next.driver.recoverTask({ taskId: "", handle });
    for (const run of [config, ...[1, 2].map(() => allocation.config(script, { user: "" }))]) {
      if (run !== config) await startTask(next, run);
      open();
      expect(await waitTask(next, run)).toMatchObject({ exitCode: 9 });
      await next.driver.destroyTask({ taskId: run.id, force: true });
    }
    const { uid, gid } = allocation.user;
    expect(await allocation.stdout.text()).toBe(`${uid}\n${gid}\n`.repeat(3));
    const told = next.stderrLines
      .map((line) => JSON.parse(line))
      .filter(
        (line) =>
          line["@message"] ===
          "the agent names no user for a task: the task gets the user of its previous run",
      );
    expect(told).toHaveLength(2);
    expect(told[0]).toMatchObject({
      user: allocation.user.name,
      run_before: config.id,
      alloc_id: allocation.id,
    });
  });

  test("is refused if the log has no run of the task", async () => {
    const agent = await startAgent();
    const neighbour = makeAllocation();
    await startTask(agent, neighbour.config("exec sleep 1000"));
    const config = makeAllocation().config("true", { user: "" });
    await expect(startTask(agent, config)).rejects.toThrow(
      /USER_UNKNOWN.*names no user.*no earlier run had one.*set `user`/s,
    );
  });
});

describe("a run that was started by an agent that has died", () => {
  test("is ended if the call was cancelled before", async () => {
    const agent = await startAgent();
    const allocation = makeAllocation();
    const config = allocation.config("echo up; exec sleep 1000");
    // A process that starts in a frozen cgroup waits until the cgroup is thawed.
    allocation.cgroup.freeze();
    const gone = new AbortController();
    const task = await prepareStart(agent.driver, config);
    const cancelled = agent.driver.startTask({ task }, { signal: gone.signal }).catch(errorOfCall);
    await eventually(() => expect(allocation.cgroup.isEmpty()).toBe(false));
    gone.abort();
    await cancelled;
    // When this call is answered, the plugin has received the calls sent before it.
    await agent.driver.capabilities({});
    allocation.cgroup.thaw();
    await allocation.cgroup.empty();
    await eventually(async () =>
      expect((await eventsOf(agent.stateDir, config.id)).at(-1)?.to).toBe("exited"),
    );
    await expect(pidOf(agent, config)).rejects.toThrow("task not found");
  });

  test("is ended by the next run of the same task, and no other run is ended", async () => {
    const { allocation, agent, pid } = await gatedTask("echo up; exec sleep 1000");
    const neighbour = makeAllocation();
    const neighbourConfig = neighbour.config("exec sleep 1000");
    const neighbourHandle = await startTask(agent, neighbourConfig);
    await agent.crash();
    const next = await startAgent({ stateDir: agent.stateDir });
    const successor = allocation.config("exec sleep 1000");
    await startTask(next, successor);
    const successorPid = await pidOf(next, successor);
    expect(successorPid).not.toBe(pid);
    expect(allocation.cgroup.processes()).toEqual([successorPid]);
    await next.driver.recoverTask({ taskId: "", handle: neighbourHandle });
    expect(await pidOf(next, neighbourConfig)).toBeGreaterThan(0);
  });

  test("is also ended by the next run if the plugin has outlived the agent, unless the agent recovers it", async () => {
    const { allocation, agent, pid } = await gatedTask("echo up; exec sleep 1000");
    const known = makeAllocation();
    const knownConfig = known.config("exec sleep 1000");
    const knownHandle = await startTask(agent, knownConfig);
    // The next agent connects to the running plugin.
    await agent.driver.init({});
    await agent.driver.recoverTask({ taskId: "", handle: knownHandle });
    await startTask(agent, allocation.config("exec sleep 1000"));
    await startTask(agent, known.config("exec sleep 1000"));
    expect(allocation.cgroup.processes()).toHaveLength(1);
    expect(allocation.cgroup.processes()).not.toContain(pid);
    expect(known.cgroup.processes()).toHaveLength(2);
  });

  test("can be stopped and destroyed without a recovery", async () => {
    const { allocation, config, agent } = await gatedTask("trap 'exit 4' INT; echo up; while :; do :; done");
    await agent.crash();
    const next = await startAgent({ stateDir: agent.stateDir });
    await expect(next.driver.destroyTask({ taskId: config.id, force: false })).rejects.toThrow(
      "TASK_STILL_RUNNING",
    );
    await next.driver.stopTask({ taskId: config.id, timeout: { seconds: 600, nanos: 0 }, signal: "" });
    expect(await waitTask(next, config)).toMatchObject({ exitCode: 4 });
    await next.driver.destroyTask({ taskId: config.id, force: true });
    expect(allocation.cgroup.processes()).toEqual([]);
  });
});

describe("RecoverTask", () => {
  test("of a task of an earlier boot always says that the task is lost", async () => {
    const { agent, config, handle, pid } = await gatedTask("echo up; exec sleep 1000");
    await agent.crash();
    rmSync(stateFolderPaths(agent.stateDir).events, { recursive: true });
    const rebooted = changed(handle, { bootId: "4e7a3d2b-0000-4000-8000-000000000000" });
    const next = await startAgent({ stateDir: agent.stateDir });
    for (const _ of [1, 2]) {
      const refused = await next.driver.recoverTask({ taskId: "", handle: rebooted }).catch(errorOfCall);
      expect(refused).toMatchObject({ code: "TASK_LOST", message: expect.stringContaining("rebooted") });
      expect(await next.driver.destroyTask({ taskId: config.id, force: true })).toEqual({});
    }
    // According to the handle's boot id, the pid may belong to an unrelated process, which the driver must not
    // kill.
    process.kill(pid, 0);
    const types = (await eventsOf(agent.stateDir, config.id)).map(({ type }) => type);
    expect(types.slice(-2)).toEqual(["started", "lost"]);
  });

  test("of a task whose pid now belongs to another process does nothing to that process", async () => {
    const { agent, config, handle, pid } = await gatedTask("echo up; exec sleep 1000");
    await agent.crash();
    rmSync(stateFolderPaths(agent.stateDir).events, { recursive: true });
    const { init, task } = decodeHandle(handle.driverState);
    const reused = changed(handle, {
      init: { ...init, startTicks: init.startTicks - 1 },
      task: { ...task, startTicks: task.startTicks - 1 },
    });
    const next = await startAgent({ stateDir: agent.stateDir });
    await next.driver.recoverTask({ taskId: "", handle: reused });
    expect(await next.driver.waitTask({ taskId: config.id })).toMatchObject({
      result: { exitCode: -1 },
      err: expect.stringContaining("unknown"),
    });
    await next.driver.stopTask({ taskId: config.id, timeout: { seconds: 0, nanos: 0 }, signal: "SIGKILL" });
    await next.driver.destroyTask({ taskId: config.id, force: true });
    process.kill(pid, 0);
  });

  test("keeps the task's own times", async () => {
    const { agent, allocation, config, handle, open } = await gatedTask(
      "echo up; read -r _ < $NOMAD_TASK_DIR/gate; exit 3",
    );
    const before = (await agent.driver.inspectTask({ taskId: config.id })).task?.startedAt;
    await agent.crash();
    open();
    await allocation.cgroup.empty();
    const endedBy = Date.now();
    // The log is gone, too. The handle has the start time, and init's record has the end.
    rmSync(stateFolderPaths(agent.stateDir).events, { recursive: true });
    const next = await startAgent({ stateDir: agent.stateDir });
    await next.driver.recoverTask({ taskId: "", handle });
    const { task } = await next.driver.inspectTask({ taskId: config.id });
    expect(task).toMatchObject({ state: TaskState.EXITED, startedAt: before, result: { exitCode: 3 } });
    const completedAt = msOf(task?.completedAt);
    expect(completedAt).toBeLessThanOrEqual(endedBy);
    expect(completedAt).toBeGreaterThanOrEqual(msOf(before));
  });
});

describe("the unfinished work of an earlier plugin", () => {
  test("is ignored by the agent's first two launches, and finished by the third", async () => {
    const agent = await startAgent();
    const allocation = makeAllocation();
    const config = allocation.config("echo up");
    await interruptStart(agent, allocation, config);
    const traces = async () => ({
      last: (await eventsOf(agent.stateDir, config.id)).at(-1)?.type,
      runFolders: tracesOf({ ...agent, pid: process.pid }).runFolders.length,
      running: !allocation.cgroup.isEmpty(),
    });
    const undone = { last: "fingerprinted", runFolders: 1, running: true };
    const first = await startPlugin();
    await first.base.pluginInfo({});
    await first.base.configSchema({});
    expect(await traces()).toEqual(undone);
    await first.close();
    const second = await startPlugin();
    for (const _ of [1, 2]) await second.base.setConfig(setConfig({ state_dir: agent.stateDir }, false));
    expect(await traces()).toEqual(undone);
    await second.close();
    await startAgent({ stateDir: agent.stateDir });
    allocation.cgroup.thaw();
    await allocation.cgroup.empty();
    expect(await traces()).toEqual({ last: "startFailed", runFolders: 0, running: false });
  });
});

/** A task of a new agent, once the task has printed "up". */
async function gatedTask(script: string) {
  const agent = await startAgent();
  const allocation = makeAllocation();
  const open = allocation.gate();
  return { agent, open, ...(await readyTask(agent, script, allocation)) };
}

function changed(handle: TaskHandle, fields: Partial<HandleState>): TaskHandle {
  const state = { ...decodeHandle(handle.driverState), ...fields };
  return { ...handle, driverState: Buffer.from(encodeHandle(state)) };
}
