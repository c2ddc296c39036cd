import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { describe, expect, onTestFinished, test } from "vitest";
import { launchEnvironment, parseHandshake } from "../../../src/grpc/handshake.ts";
import { connectPlugin, type PluginConnection } from "../../../src/grpc/pluginClient.ts";
import { newStateDir, pidOf, runTask, startAgent, startedTask, waitTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { collect } from "../../support/agent/collectedStream.ts";
import { setConfig } from "../../support/agent/requests.ts";
import { programEntry } from "../../support/plugin/pluginEntry.ts";

describe("a plugin ends", () => {
  test("when the agent requests it: the plugin answers first, and its tasks go on", async () => {
    const agent = await startAgent();
    const { allocation, config, pid } = await runningTask(agent);
    expect(await agent.driver.shutdown({})).toEqual({});
    expect(await pidOf(agent, config)).toBe(pid);
    expect(await agent.controller.shutdown({})).toEqual({});
    expect(await agent.exited).toEqual({ code: 0, signal: null });
    expect(existsSync(agent.socketPath)).toBe(false);
    expect(allocation.cgroup.processes()).toEqual([pid]);
  });

  test("by SIGTERM, and its tasks go on; waiting calls fail", async () => {
    const agent = await startAgent();
    const { allocation, config, pid } = await runningTask(agent);
    const waiting = expect(waitTask(agent, config)).rejects.toMatchObject({ code: 14 });
    process.kill(agent.pid, "SIGTERM");
    await waiting;
    expect(await agent.exited).toEqual({ code: 0, signal: null });
    expect(allocation.cgroup.processes()).toEqual([pid]);
  });
});

describe("a plugin goes on", () => {
  test("after SIGINT and SIGHUP, which its agent's terminal sends to all processes", async () => {
    const agent = await startAgent();
    const { config, pid } = await runningTask(agent);
    for (const signal of ["SIGINT", "SIGHUP", "SIGINT"] as const) process.kill(agent.pid, signal);
    expect(await pidOf(agent, config)).toBe(pid);
    expect(await runTask(agent, makeAllocation().config("exit 2"))).toMatchObject({ exitCode: 2 });
  });

  test("without its agent: the next agent connects again, and configures nothing", async () => {
    const { child, socketPath } = await launchedByHand();
    const first = connectPlugin(socketPath);
    const stateDir = newStateDir();
    await first.base.setConfig(setConfig({ state_dir: stateDir, unveil_by_task: true }));
    await first.driver.init({});
    const streams = [first.driver.fingerprint({}), first.driver.taskEvents({})];
    for (const stream of streams) stream.on("data", () => {}).on("error", () => {});
    const { config, handle, pid } = await runningTask(first);
    waitTask(first, config).catch(() => undefined);
    // The agent dies, which closes its connection and its ends of both pipes.
    first.disconnect();
    child.stdout?.destroy();
    child.stderr?.destroy();
    // Nobody reads what the plugin logs for these signals.
    for (const _ of Array(3)) child.kill("SIGINT");

    const second = connectPlugin(socketPath);
    onTestFinished(() => second.disconnect());
    expect(await second.base.pluginInfo({})).toMatchObject({ name: "exec2" });
    await second.driver.init({});
    expect(await collect(second.driver.fingerprint({})).first(() => true)).toMatchObject({
      attributes: expect.any(Map),
    });
    const events = collect(second.driver.taskEvents({}));
    // The agent's own record of the task no longer has its options.
    const kept = handle.config && { ...handle.config, msgpackDriverConfig: Buffer.alloc(0) };
    await second.driver.recoverTask({ taskId: "", handle: { ...handle, config: kept } });
    const ended = waitTask(second, config);
    expect(await pidOf(second, config)).toBe(pid);
    const next = makeAllocation().config({ command: "true", unveil: ["r:/etc/os-release"] });
    expect(await runTask(second, next)).toMatchObject({ exitCode: 0 });
    await second.driver.stopTask({ taskId: config.id, timeout: { seconds: 0, nanos: 0 }, signal: "SIGCONT" });
    await events.first(({ taskId, message }) => taskId === config.id && message.startsWith("Killed"));
    expect(await ended).toMatchObject({ exitCode: 137, signal: 9 });
    expect(child.exitCode).toBeNull();
  });
});

function runningTask(plugin: PluginConnection) {
  return startedTask(plugin, "exec sleep 1000");
}

/** A plugin whose pipes belong to the test. */
async function launchedByHand(): Promise<{ child: ChildProcess; socketPath: string }> {
  const child = spawn(process.execPath, [programEntry], {
    env: { ...process.env, ...launchEnvironment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [line] = await once(createInterface(child.stdout), "line");
  return { child, socketPath: parseHandshake(line) };
}
