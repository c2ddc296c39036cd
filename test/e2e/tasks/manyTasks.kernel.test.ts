import { expect, test } from "vitest";
import { pidOf, runTask, startAgent, startTask, waitTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { eventually } from "../../support/host/eventually.ts";
import { processesNamed } from "../../support/host/processes.ts";
import { leftSince, nothingLeft, tracesOf } from "../../support/plugin/pluginTraces.ts";

test("100 tasks at once: each ends with its own exit code and output, and nothing is left", async () => {
  const agent = await startAgent();
  await runTask(agent, makeAllocation().config("true"));
  const before = tracesOf(agent);

  const runs = Array.from({ length: 100 }, (_, number) => {
    const allocation = makeAllocation();
    return { number, allocation, config: allocation.config(`echo ${number}; exit ${number}`) };
  });
  const results = await Promise.all(runs.map(({ config }) => runTask(agent, config)));
  expect(results.map(({ exitCode }) => exitCode)).toEqual(runs.map(({ number }) => number));
  const outputs = await Promise.all(runs.map(({ allocation }) => allocation.stdout.text()));
  expect(outputs).toEqual(runs.map(({ number }) => `${number}\n`));

  await eventually(() => expect(leftSince(before, agent)).toEqual(nothingLeft));
  await Promise.all(runs.map(({ allocation }) => allocation.cgroup.empty()));
  expect(runs.flatMap(({ allocation }) => processesNamed(initName(allocation.id)))).toEqual([]);
});

test("a task that runs again ends with the exit code of this run, not of an earlier one", async () => {
  const agent = await startAgent();
  const allocation = makeAllocation();
  for (const code of [3, 0, 5]) {
    expect(await runTask(agent, allocation.config(`exit ${code}`))).toMatchObject({ exitCode: code });
  }
  const killed = allocation.config("kill -KILL $$");
  expect(await runTask(agent, killed)).toMatchObject({ exitCode: 137, signal: 9 });
});

test("20 tasks of one allocation can be destroyed at once", async () => {
  const agent = await startAgent();
  const allocation = makeAllocation();
  const configs = Array.from({ length: 20 }, () => allocation.config("echo up; sleep 1000 & wait"));
  await Promise.all(configs.map((config) => startTask(agent, config)));
  const pids = await Promise.all(configs.map((config) => pidOf(agent, config)));
  expect(new Set(pids).size).toBe(20);
  const waits = configs.map((config) => waitTask(agent, config));
  await Promise.all(configs.map(({ id }) => agent.driver.destroyTask({ taskId: id, force: true })));
  expect(allocation.cgroup.processes()).toEqual([]);
  expect(new Set((await Promise.all(waits)).map(({ exitCode, signal }) => `${exitCode} ${signal}`))).toEqual(
    new Set(["137 9"]),
  );
});

function initName(allocationId: string): string {
  return `exec2-init: ${allocationId.slice(0, 8)}/`;
}
