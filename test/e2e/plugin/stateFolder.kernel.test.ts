/**
 * If its state folder cannot be used, the driver keeps running, says why, and works as soon as the folder can
 * be used.
 */
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { describe, expect, test } from "vitest";
import { FingerprintResponse_HealthState as Health } from "../../../src/grpc/generated/nomad/driver.ts";
import type { PluginConnection } from "../../../src/grpc/pluginClient.ts";
import { errorOfCall } from "../../../src/grpc/status.ts";
import {
  newStateDir,
  pidOf,
  runTask,
  startAgent,
  startedTask,
  startTask,
  waitTask,
} from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { type CollectedStream, collect } from "../../support/agent/collectedStream.ts";
import { setConfig } from "../../support/agent/requests.ts";
import { eventsOf } from "../../support/history/eventLog.ts";
import { smallFileSystem } from "../../support/host/smallFileSystem.ts";

describe("a state folder of another plugin that has an agent", () => {
  test("makes the second plugin unhealthy: it names the owner, and starts nothing", async () => {
    const first = await startAgent();
    const second = await startAgent({ stateDir: first.stateDir });
    const reports = healthOf(second);
    const { healthDescription, attributes } = await reports.first(() => true);
    expect(reports.messages[0]?.health).toBe(Health.UNHEALTHY);
    expect(attributes.get("driver.exec2")?.value?.value).toBe(true);
    expect(healthDescription).toMatch(/^STATE_DIR_IN_USE: /);
    expect(healthDescription).toContain(
      `process ${first.pid} owns the state folder ${first.stateDir}, and an agent is connected to it. Give each`,
    );
    const config = makeAllocation().config("true");
    const calls = [
      () => startTask(second, config),
      () => waitTask(second, config),
      () => second.driver.stopTask({ taskId: config.id, timeout: undefined, signal: "" }),
      () => second.driver.destroyTask({ taskId: config.id, force: true }),
    ];
    for (const call of calls) {
      expect(await call().catch(errorOfCall)).toMatchObject({
        code: "STATE_DIR_IN_USE",
        recoverable: true,
        message: expect.stringContaining(`process ${first.pid} owns`),
      });
    }
    expect(await runTask(first, makeAllocation().config("exit 3"))).toMatchObject({ exitCode: 3 });
  });

  test("is used by the second plugin once the first has died, and its tasks are recovered", async () => {
    const first = await startAgent();
    const { config, handle, pid } = await startedTask(
      first,
      "trap 'exit 5' TERM; echo up; while :; do sleep 0.1; done",
    );
    const second = await startAgent({ stateDir: first.stateDir });
    const reports = healthOf(second);
    await reports.first(({ health }) => health === Health.UNHEALTHY);
    // An agent recovers its tasks at once, and would start them again if this failed.
    const recovered = second.driver.recoverTask({ taskId: "", handle });
    await first.crash();
    await recovered;
    await reports.first(({ health }) => health === Health.HEALTHY);
    expect(await pidOf(second, config)).toBe(pid);
    await second.driver.stopTask({
      taskId: config.id,
      timeout: { seconds: 60, nanos: 0 },
      signal: "SIGTERM",
    });
    expect(await waitTask(second, config)).toMatchObject({ exitCode: 5 });
  });

  test("makes the second plugin refuse, after some time, to recover or destroy tasks, so that no task runs twice", async () => {
    const first = await startAgent();
    const { config, handle, pid, allocation } = await startedTask(first, "exec sleep 1000");
    const second = await startAgent({ stateDir: first.stateDir });
    const refused = await second.driver.recoverTask({ taskId: "", handle }).catch(errorOfCall);
    expect(refused).toMatchObject({ code: "STATE_DIR_IN_USE", recoverable: true });
    const again = await second.driver.recoverTask({ taskId: "", handle }).catch(errorOfCall);
    expect(again).toMatchObject({ code: "STATE_DIR_IN_USE" });
    await expect(second.driver.destroyTask({ taskId: config.id, force: true })).rejects.toThrow("IN_USE");
    expect(allocation.cgroup.processes()).toEqual([pid]);
    // The agent starts the task again, and the driver ends the earlier run.
    await first.crash();
    await healthOf(second).first(({ health }) => health === Health.HEALTHY);
    const next = allocation.config("exec sleep 1000");
    await startTask(second, next);
    expect(allocation.cgroup.processes()).toEqual([await pidOf(second, next)]);
  });
});

describe("a state folder of another plugin without an agent", () => {
  test("is handed over at once: that plugin ends, and the next one recovers its tasks", async () => {
    const first = await startAgent();
    const { config, handle, pid, allocation } = await startedTask(
      first,
      "trap 'exit 5' TERM; echo up; while :; do sleep 0.1; done",
    );
    first.disconnect();
    const second = await startAgent({ stateDir: first.stateDir });
    expect(await first.exited).toEqual({ code: 0, signal: null });
    expect(existsSync(first.socketPath)).toBe(false);
    const reports = healthOf(second);
    await reports.first(() => true);
    // The second plugin has never been unhealthy.
    expect(reports.messages.map(({ health }) => health)).toEqual([Health.HEALTHY]);
    expect(allocation.cgroup.processes()).toContain(pid);
    await second.driver.recoverTask({ taskId: "", handle });
    expect(await pidOf(second, config)).toBe(pid);
    await second.driver.stopTask({
      taskId: config.id,
      timeout: { seconds: 60, nanos: 0 },
      signal: "SIGTERM",
    });
    expect(await waitTask(second, config)).toMatchObject({ exitCode: 5 });
    const events = await eventsOf(first.stateDir, config.id);
    expect(events.map(({ type }) => type)).toEqual(
      expect.arrayContaining(["started", "recovered", "exited"]),
    );
  });

  test("is handed over when the agent ends; one of several waiting plugins gets it", async () => {
    const first = await startAgent();
    const others = await Promise.all([1, 2].map(() => startAgent({ stateDir: first.stateDir })));
    const reports = others.map(healthOf);
    for (const each of reports) await each.first(({ health }) => health === Health.UNHEALTHY);
    first.disconnect();
    await first.exited;
    const winner = await Promise.race(
      reports.map(async (each, index) => {
        await each.first(({ health }) => health === Health.HEALTHY);
        return index;
      }),
    );
    const [owner, waiting] = [others[winner], reports[1 - winner]];
    await waiting?.first(({ healthDescription }) => healthDescription.includes(`process ${owner?.pid} owns`));
    expect(waiting?.messages.every(({ health }) => health === Health.UNHEALTHY)).toBe(true);
  });

  test("is not handed over if that plugin does not answer, and is free when it ends", async () => {
    const first = await startAgent();
    first.disconnect();
    rmSync(first.socketPath);
    const second = await startAgent({ stateDir: first.stateDir });
    const reports = healthOf(second);
    const { healthDescription } = await reports.first(({ health }) => health === Health.UNHEALTHY);
    expect(healthDescription).toMatch(
      new RegExp(`process ${first.pid} owns the state folder .*, and does not answer: .*End that process`),
    );
    process.kill(first.pid, "SIGTERM");
    await reports.first(({ health }) => health === Health.HEALTHY);
  });
});

describe("a state folder that cannot be used", () => {
  test("because its path is a file makes the driver unhealthy until it can be created", async () => {
    const stateDir = newStateDir();
    writeFileSync(stateDir, "");
    const agent = await startAgent({ stateDir });
    const reports = healthOf(agent);
    const { healthDescription } = await reports.first(({ health }) => health === Health.UNHEALTHY);
    expect(healthDescription).toContain(`STATE_DIR_UNUSABLE: the state folder ${stateDir} cannot be used`);
    expect(healthDescription).toContain(`(mkdir ${stateDir}: EEXIST). Its path is not a folder`);
    const refused = await startTask(agent, makeAllocation().config("true")).catch(errorOfCall);
    expect(refused).toMatchObject({ code: "STATE_DIR_UNUSABLE", recoverable: true });
    rmSync(stateDir);
    await reports.first(({ health }) => health === Health.HEALTHY);
    expect(await runTask(agent, makeAllocation().config("exit 6"))).toMatchObject({ exitCode: 6 });
  });

  test("because its disk is full makes the driver unhealthy until there is room", async () => {
    const disk = smallFileSystem("40m");
    const filler = `${disk}/filler`;
    expect(() => writeFileSync(filler, Buffer.alloc(41 << 20))).toThrow("ENOSPC");
    const agent = await startAgent({ stateDir: `${disk}/state` });
    const reports = healthOf(agent);
    const { healthDescription } = await reports.first(({ health }) => health === Health.UNHEALTHY);
    expect(healthDescription).toMatch(/ENOSPC\). Free space on /);
    rmSync(filler);
    await reports.first(({ health }) => health === Health.HEALTHY);
  });

  test("because others may write to it is not touched until only root may", async () => {
    const stateDir = newStateDir();
    mkdirSync(stateDir);
    chmodSync(stateDir, 0o777);
    const agent = await startAgent({ stateDir });
    const reports = healthOf(agent);
    const { healthDescription } = await reports.first(({ health }) => health === Health.UNHEALTHY);
    expect(healthDescription).toContain(
      `STATE_DIR_UNUSABLE: the state folder cannot be trusted: ${stateDir}`,
    );
    expect(readdirSync(stateDir)).toEqual([]);
    chmodSync(stateDir, 0o700);
    await reports.first(({ health }) => health === Health.HEALTHY);
  });

  test("can be replaced in the configuration, but a folder that is in use cannot", async () => {
    const stateDir = newStateDir();
    writeFileSync(stateDir, "");
    const agent = await startAgent({ stateDir });
    const reports = healthOf(agent);
    await reports.first(({ health }) => health === Health.UNHEALTHY);
    const other = `${dirname(stateDir)}/other`;
    await agent.base.setConfig(setConfig({ state_dir: other }));
    await reports.first(({ health }) => health === Health.HEALTHY);
    rmSync(stateDir);
    expect(await runTask(agent, makeAllocation().config("exit 7"))).toMatchObject({ exitCode: 7 });
    expect(existsSync(stateDir)).toBe(false);
    await expect(agent.base.setConfig(setConfig({ state_dir: stateDir }))).rejects.toThrow("CONFIG_INVALID");
  });

  test("does not delay the end of a plugin", async () => {
    const stateDir = newStateDir();
    writeFileSync(stateDir, "");
    const agent = await startAgent({ stateDir });
    expect(await agent.close()).toEqual({ code: 0, signal: null });
  });
});

type Fingerprints = CollectedStream<{ health: Health; healthDescription: string; attributes: Attributes }>;
type Attributes = ReadonlyMap<string, { value?: { value?: unknown } | undefined }>;

function healthOf({ driver }: PluginConnection): Fingerprints {
  return collect(driver.fingerprint({}));
}
