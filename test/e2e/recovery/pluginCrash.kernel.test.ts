import { rmSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type TaskHandle, TaskState } from "../../../src/grpc/generated/nomad/driver.ts";
import { stateFolderPaths } from "../../../src/store/folder/stateFolder.ts";
import {
  type Agent,
  pidOf,
  readyTask,
  startAgent,
  startTask,
  waitTask,
  withoutOptions,
} from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { interruptStart } from "../../support/agent/interruptedStart.ts";
import { eventsOf } from "../../support/history/eventLog.ts";
import { eventually } from "../../support/host/eventually.ts";
import { procStatus } from "../../support/host/processes.ts";
import { tracesOf } from "../../support/plugin/pluginTraces.ts";

describe("a task whose plugin is killed", () => {
  test("keeps running and writing, and is recovered by the next plugin", async () => {
    const agent = await startAgent();
    const allocation = makeAllocation();
    const open = allocation.gate();
    const config = allocation.config("echo before; read -r _ < $NOMAD_TASK_DIR/gate; echo after; exit 19");
    const handle = await startTask(agent, config);
    const pid = await pidOf(agent, config);
    const broken = waitTask(agent, config);
    const brokenToo = expect(broken).rejects.toMatchObject({ code: 14 });
    await agent.crash();
    await brokenToo;
    expect(allocation.cgroup.processes()).toContain(pid);

    const next = await startAgent({ stateDir: agent.stateDir });
    await next.driver.recoverTask({ taskId: "", handle });
    expect(await pidOf(next, config)).toBe(pid);
    const ended = waitTask(next, config);
    open();
    expect(await ended).toEqual({ exitCode: 19, signal: 0, oomKilled: false });
    expect(await allocation.stdout.text()).toBe("before\nafter\n");
    await next.driver.destroyTask({ taskId: config.id, force: true });
    await eventually(() => expect(tracesOf(next).runFolders).toEqual([]));
  });

  test("can be signalled and stopped by the next plugin, even if the agent has lost the task's options", async () => {
    const { next, allocation, config } = await takenOver(
      "trap 'echo signalled' USR1; trap 'echo stopped; exit 6' INT; echo up; while :; do sleep 1000 & wait; done",
      withoutOptions,
    );
    await next.driver.signalTask({ taskId: config.id, signal: "SIGUSR1" });
    await allocation.stdout.contains("signalled\n");
    await next.driver.stopTask({ taskId: config.id, timeout: { seconds: 600, nanos: 0 }, signal: "" });
    expect(await waitTask(next, config)).toMatchObject({ exitCode: 6 });
    expect(allocation.cgroup.processes()).toEqual([]);
  });

  test("can be killed by the next plugin's StopTask and DestroyTask", async () => {
    const stubborn = "trap '' INT; echo up; while :; do sleep 1000; done";
    const stopped = await takenOver(stubborn);
    await stopped.next.driver.stopTask({
      taskId: stopped.config.id,
      timeout: { seconds: 0, nanos: 1e6 },
      signal: "",
    });
    expect(await waitTask(stopped.next, stopped.config)).toMatchObject({ exitCode: 137, signal: 9 });
    const destroyed = await takenOver(stubborn);
    await destroyed.next.driver.destroyTask({ taskId: destroyed.config.id, force: true });
    expect(destroyed.allocation.cgroup.processes()).toEqual([]);
  });

  test.each([
    ["exit 23", { exitCode: 23, signal: 0 }],
    ["exit 0", { exitCode: 0, signal: 0 }],
    ["kill -SEGV $$", { exitCode: 139, signal: 11 }],
  ])("and that does `%s` before the next plugin starts has ended with %o", async (end, result) => {
    const agent = await startAgent();
    const allocation = makeAllocation();
    const open = allocation.gate();
    const config = allocation.config(`read -r _ < $NOMAD_TASK_DIR/gate; ${end}`);
    const handle = await startTask(agent, config);
    await agent.crash();
    open();
    await allocation.cgroup.empty();

    const next = await startAgent({ stateDir: agent.stateDir });
    await next.driver.recoverTask({ taskId: "", handle: withoutOptions(handle) });
    expect(await waitTask(next, config)).toMatchObject(result);
    const { task } = await next.driver.inspectTask({ taskId: config.id });
    expect(task).toMatchObject({ state: TaskState.EXITED, result });
    await next.driver.stopTask({ taskId: config.id, timeout: { seconds: 1, nanos: 0 }, signal: "" });
    await next.driver.destroyTask({ taskId: config.id, force: true });
    await eventually(() => expect(tracesOf(next).runFolders).toEqual([]));
  });

  test("and whose init is killed, too, has an unknown exit code", async () => {
    const agent = await startAgent();
    const allocation = makeAllocation();
    const config = allocation.config("exec sleep 1000");
    const handle = await startTask(agent, config);
    const init = Number(procStatus(await pidOf(agent, config)).PPid);
    await agent.crash();
    process.kill(init, "SIGKILL");
    await allocation.cgroup.empty();
    const next = await startAgent({ stateDir: agent.stateDir });
    await next.driver.recoverTask({ taskId: "", handle });
    const { result, err } = await next.driver.waitTask({ taskId: config.id });
    expect(result).toMatchObject({ exitCode: -1 });
    expect(err).toContain("unknown");
  });
});

describe("a plugin that is killed while it starts a task", () => {
  test.each([
    [
      "before the next plugin comes",
      (thaw: () => Promise<void>, next: () => Promise<void>) => thaw().then(next),
    ],
    [
      "after the next plugin has come",
      (thaw: () => Promise<void>, next: () => Promise<void>) => next().then(thaw),
    ],
  ])("leaves no unknown task, even if the start would continue %s", async (_when, inOrder) => {
    const agent = await startAgent();
    const allocation = makeAllocation();
    const config = allocation.config("echo up");
    await interruptStart(agent, allocation, config);
    await inOrder(
      async () => {
        allocation.cgroup.thaw();
        await allocation.cgroup.empty();
      },
      async () => {
        const next = await startAgent({ stateDir: agent.stateDir });
        expect(tracesOf(next).runFolders).toEqual([]);
      },
    );
    expect(await allocation.stdout.text()).toBe("");
    expect((await eventsOf(agent.stateDir, config.id)).at(-1)).toMatchObject({
      type: "startFailed",
      from: "fingerprinted",
      to: "failed",
    });
  });
});

describe("RecoverTask", () => {
  test("may be repeated, at once or later, and then changes nothing", async () => {
    const { next, config, handle } = await takenOver("echo up; exec sleep 1000");
    const recover = () => next.driver.recoverTask({ taskId: "", handle });
    expect(await Promise.all([recover(), recover(), recover()])).toEqual([{}, {}, {}]);
    const events = await eventsOf(next.stateDir, config.id);
    expect(events.filter(({ type }) => type === "recovered")).toHaveLength(1);
  });

  test("succeeds in the plugin that started the task", async () => {
    const agent = await startAgent();
    const config = makeAllocation().config("exec sleep 1000");
    const handle = await startTask(agent, config);
    expect(await agent.driver.recoverTask({ taskId: "", handle })).toEqual({});
    expect(await pidOf(agent, config)).toBeGreaterThan(0);
  });

  test("works after several crashes, and the history is complete", async () => {
    let agent = await startAgent();
    const allocation = makeAllocation();
    const open = allocation.gate();
    const config = allocation.config("read -r _ < $NOMAD_TASK_DIR/gate; exit 11");
    const handle = await startTask(agent, config);
    for (const _ of [1, 2, 3]) {
      await agent.crash();
      agent = await startAgent({ stateDir: agent.stateDir });
      await agent.driver.recoverTask({ taskId: "", handle });
    }
    open();
    expect(await waitTask(agent, config)).toMatchObject({ exitCode: 11 });
    expect((await eventsOf(agent.stateDir, config.id)).map(({ type }) => type)).toEqual([
      "requested",
      "fingerprinted",
      "sandboxed",
      "started",
      "recovered",
      "recovered",
      "recovered",
      "exited",
    ]);
  });

  test("needs no event log: the agent's handle is enough", async () => {
    const agent = await startAgent();
    const allocation = makeAllocation();
    const open = allocation.gate();
    const config = allocation.config("read -r _ < $NOMAD_TASK_DIR/gate; exit 12");
    const handle = withoutOptions(await startTask(agent, config));
    const pid = await pidOf(agent, config);
    await agent.crash();
    rmSync(stateFolderPaths(agent.stateDir).events, { recursive: true });
    const next = await startAgent({ stateDir: agent.stateDir });
    await next.driver.recoverTask({ taskId: "", handle });
    expect(await pidOf(next, config)).toBe(pid);
    open();
    expect(await waitTask(next, config)).toEqual({ exitCode: 12, signal: 0, oomKilled: false });
  });

  test("needs no state folder, except that the exit code is lost with it", async () => {
    const agent = await startAgent();
    const allocation = makeAllocation();
    const open = allocation.gate();
    const ending = allocation.config("read -r _ < $NOMAD_TASK_DIR/gate; exit 12");
    const stubborn = allocation.config("trap '' INT; echo up; while :; do sleep 1000; done");
    const handles = [await startTask(agent, ending), await startTask(agent, stubborn)];
    await allocation.stdout.contains("up\n");
    await agent.crash();
    rmSync(agent.stateDir, { recursive: true });
    const next = await startAgent({ stateDir: agent.stateDir });
    for (const handle of handles) await next.driver.recoverTask({ taskId: "", handle });
    const ended = next.driver.waitTask({ taskId: ending.id });
    open();
    expect(await ended).toMatchObject({ result: { exitCode: -1 }, err: expect.stringContaining("unknown") });
    await next.driver.stopTask({ taskId: stubborn.id, timeout: { seconds: 0, nanos: 1e6 }, signal: "" });
    expect(await waitTask(next, stubborn)).toMatchObject({ exitCode: 137, signal: 9 });
    expect(allocation.cgroup.processes()).toEqual([]);
  });

  test("with another driver's handle is refused if the log does not know the task, which can be destroyed", async () => {
    const agent = await startAgent();
    const config = makeAllocation().config("true");
    const handle = { version: 1, state: TaskState.RUNNING, config, driverState: Buffer.from("?") };
    await expect(agent.driver.recoverTask({ taskId: "", handle })).rejects.toThrow(
      /TASK_LOST|HANDLE_INVALID/,
    );
    expect(await agent.driver.destroyTask({ taskId: config.id, force: true })).toEqual({});
  });
});

/** A task whose first plugin was killed. */
async function takenOver(script: string, change = (handle: TaskHandle) => handle) {
  const first: Agent = await startAgent();
  const { allocation, config, ...started } = await readyTask(first, script);
  const handle = change(started.handle);
  await first.crash();
  const next = await startAgent({ stateDir: first.stateDir });
  await next.driver.recoverTask({ taskId: "", handle });
  return { next, allocation, config, handle };
}
