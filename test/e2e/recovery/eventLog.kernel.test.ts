import { beforeAll, describe, expect, test } from "vitest";
import type { EventStore } from "../../../src/store/eventStore.ts";
import { type Agent, readyTask, runTask, startAgent, startTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { eventsOf, withEventLog } from "../../support/history/eventLog.ts";
import { findDefect } from "../../support/history/findDefect.ts";

let agent: Agent;
beforeAll(async () => {
  agent = await startAgent();
});

describe("the history of a task", () => {
  test("has these steps if the task ends by itself", async () => {
    const config = makeAllocation().config("exit 7");
    await runTask(agent, config);
    expect(await stepsOf(config)).toEqual([
      "requested: pending → pending, inspectHost",
      "fingerprinted: pending → fingerprinted, prepareSandbox",
      "sandboxed: fingerprinted → sandboxed, launch",
      "started: sandboxed → running, watchExit",
      "exited: running → exited, releaseRun",
      "destroyed: exited → destroyed",
    ]);
  });

  test("has these steps if the task gets signals, is stopped, and is killed because it does not end", async () => {
    const allocation = makeAllocation();
    const script = "trap 'echo again' INT USR1; echo up; while :; do sleep 1000 & wait; done";
    const { config } = await readyTask(agent, script, allocation);
    await agent.driver.signalTask({ taskId: config.id, signal: "SIGUSR1" });
    await agent.driver.stopTask({ taskId: config.id, timeout: { seconds: 0, nanos: 1e6 }, signal: "" });
    await agent.driver.destroyTask({ taskId: config.id, force: true });
    expect((await stepsOf(config)).slice(4)).toEqual([
      "signalled: running → running",
      "stopRequested: running → stopping, sendStopSignal, startKillTimer",
      "signalled: stopping → stopping",
      "stopTimedOut: stopping → killing, killRun",
      "forceKilled: killing → killing",
      "exited: killing → exited, releaseRun",
      "destroyed: exited → destroyed",
    ]);
  });

  test("has these steps if the task never starts", async () => {
    const config = makeAllocation().config({ command: "/dev/null" });
    await startTask(agent, config).catch(() => undefined);
    expect(await stepsOf(config)).toEqual([
      "requested: pending → pending, inspectHost",
      "fingerprinted: pending → fingerprinted, prepareSandbox",
      "startFailed: fingerprinted → failed, releaseRun",
    ]);
  });

  test("has the request, the host's facts, and what the driver did", async () => {
    const allocation = makeAllocation();
    const config = allocation.config({ command: "true", args: ["x", "y"] });
    await runTask(agent, config);
    const [requested, fingerprinted, sandboxed, started, exited] = await eventsOf(agent.stateDir, config.id);
    expect(requested?.data).toMatchObject({
      options: { command: "true", args: ["x", "y"] },
      user: allocation.user.name,
      envKeys: [...config.env.keys()].sort(),
      resources: { cpuMhz: 50, memoryMb: 40, cgroup: allocation.cgroup.path },
      plugin: { pid: agent.pid },
    });
    expect(fingerprinted?.data).toMatchObject({ mhzPerCore: 4000, landlockAbi: expect.any(Number) });
    expect(sandboxed?.data).toMatchObject({
      command: "/usr/bin/true",
      uid: allocation.user.uid,
      privateTmp: true,
      unveiled: expect.arrayContaining([
        { path: `${allocation.taskFolder}/local`, mode: "rwxc", source: "folder" },
      ]),
    });
    expect(started?.data).toMatchObject({ init: { pid: expect.any(Number) }, bootId: expect.any(String) });
    expect(exited?.data).toMatchObject({ exitCode: 0, source: "status" });
  });
});

test("every stream has an intact chain of hashes", async () => {
  const defects = await withEventLog(agent.stateDir, (log: Pick<EventStore, "streams" | "readRecords">) =>
    [...log.streams()].map((head) => findDefect(log.readRecords(head.stream), head)),
  );
  expect(defects.length).toBeGreaterThan(3);
  expect(defects.filter(Boolean)).toEqual([]);
});

async function stepsOf({ id }: { id: string }): Promise<string[]> {
  const events = await eventsOf(agent.stateDir, id);
  return events.map(({ type, from, to, effects }) => `${type}: ${from} → ${[to, ...effects].join(", ")}`);
}
