/** Tests what the released plugin has and its sources do not: the executable around it, and the bundle. */
import { accessSync, constants, readFileSync, readlinkSync, realpathSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { type Agent, pidOf, runTask, startAgent, startTask, waitTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { collect } from "../../support/agent/collectedStream.ts";
import { builtEntry } from "../../support/plugin/pluginEntry.ts";
import { preparedBy } from "../../support/plugin/startPlugin.ts";

beforeAll(() => {
  // Made by `npm run build`, which `npm test` begins with.
  accessSync(builtEntry, constants.X_OK);
});

describe("the plugin that is shipped", () => {
  let agent: Agent;
  beforeAll(async () => {
    agent = await startAgent({ entry: builtEntry });
  });

  test("is the process that was launched, so that signals reach it", () => {
    expect(readlinkSync(`/proc/${agent.pid}/exe`)).toBe(realpathSync(builtEntry));
  });

  test("starts, stops and destroys tasks", async () => {
    const allocation = makeAllocation();
    expect(await runTask(agent, allocation.config("echo out; echo err >&2; exit 7"))).toEqual({
      exitCode: 7,
      signal: 0,
      oomKilled: false,
    });
    expect(await allocation.stdout.text()).toBe("out\n");
    expect(await allocation.stderr.text()).toBe("err\n");
    await expect(startTask(agent, allocation.config({ command: "nowhere" }))).rejects.toThrow(
      "COMMAND_NOT_FOUND",
    );
  });

  test("serves its streams, schemas and reflection", async () => {
    await collect(agent.driver.fingerprint({})).first(({ err }) => err === "");
    expect((await agent.driver.taskConfigSchema({})).spec).toBeDefined();
    expect((await agent.base.configSchema({})).spec).toBeDefined();
    expect(await agent.health.check({ service: "plugin" })).toEqual({ status: 1 });
  });

  test("recovers tasks after a crash", async () => {
    const allocation = makeAllocation();
    const open = allocation.gate();
    const config = allocation.config("read -r _ < $NOMAD_TASK_DIR/gate; exit 19");
    const handle = await startTask(agent, config);
    await agent.crash();
    agent = await startAgent({ entry: builtEntry, stateDir: agent.stateDir });
    await agent.driver.recoverTask({ taskId: "", handle });
    open();
    expect(await waitTask(agent, config)).toMatchObject({ exitCode: 19 });
  });

  test("ends when it is asked to", async () => {
    expect(await agent.close()).toEqual({ code: 0, signal: null });
  });
});

test.each([512, 4096])("tasks have the agent's soft limit of open files: %i", async (limit) => {
  const agent = await startAgent(preparedBy(`ulimit -Sn ${limit}`, builtEntry));
  const config = makeAllocation().config("exec sleep 1000");
  await startTask(agent, config);
  const limits = readFileSync(`/proc/${await pidOf(agent, config)}/limits`, "utf8");
  const hard = /^Max open files +\d+ +(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
  expect(/^Max open files +(\S+) +(\S+)/m.exec(limits)?.slice(1)).toEqual([String(limit), hard]);
});

test("variables for Node in the agent's environment do not affect the plugin", async () => {
  const env = { NODE_OPTIONS: "--no-such-option", NODE_PATH: "/nowhere", NODE_DEBUG: "fs,net" };
  const agent = await startAgent({ entry: builtEntry, env });
  expect(await runTask(agent, makeAllocation().config("true"))).toMatchObject({ exitCode: 0 });
  expect(agent.stderrLines.filter((line) => !line.startsWith("{"))).toEqual([]);
});
