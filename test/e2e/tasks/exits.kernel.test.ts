import { createHash } from "node:crypto";
import { beforeAll, expect, test } from "vitest";
import { type Agent, runTask, startAgent, startTask, waitTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { eventsOf } from "../../support/history/eventLog.ts";

let agent: Agent;
beforeAll(async () => {
  agent = await startAgent();
});

test.each([
  ["exit 0", { exitCode: 0, signal: 0, oomKilled: false }],
  ["exit 7", { exitCode: 7, signal: 0, oomKilled: false }],
  ["exit 255", { exitCode: 255, signal: 0, oomKilled: false }],
  ["kill -SEGV $$", { exitCode: 139, signal: 11, oomKilled: false }],
  ["kill -KILL $$", { exitCode: 137, signal: 9, oomKilled: false }],
])("a task that does `%s` ends with %o", async (script, result) => {
  const allocation = makeAllocation();
  expect(await runTask(agent, allocation.config(script))).toEqual(result);
  expect(allocation.cgroup.processes()).toEqual([]);
});

test("both outputs arrive, each in its own pipe", async () => {
  const allocation = makeAllocation();
  await runTask(agent, allocation.config("echo out; echo err >&2; printf 'no newline'"));
  expect(await allocation.stdout.text()).toBe("out\nno newline");
  expect(await allocation.stderr.text()).toBe("err\n");
});

test("20 MB of output arrive as they were written", async () => {
  const allocation = makeAllocation();
  const line = "0123456789 and so on, until there are sixty-four bytes in a line\n";
  const lines = Math.ceil((20 << 20) / line.length);
  const script = `print ${JSON.stringify(line)} for 1..${lines}`;
  const result = await runTask(agent, allocation.config({ command: "perl", args: ["-e", script] }));
  const output = await allocation.stdout.bytes();
  expect(result.exitCode).toBe(0);
  expect(output.length).toBe(lines * line.length);
  expect(sha256(output)).toBe(sha256(Buffer.from(line.repeat(lines))));
});

test("the output of a task without a log collector goes to /dev/null", async () => {
  const allocation = makeAllocation();
  const nowhere = { stdoutPath: "/dev/null", stderrPath: "/dev/null" };
  const config = allocation.config("echo into the void; exit 3", nowhere);
  expect(await runTask(agent, config)).toMatchObject({ exitCode: 3 });
});

test("a good end tells of processes that the task has left, unless it was stopped", async () => {
  const left = async (script: string, isStopped = false) => {
    const allocation = makeAllocation();
    const config = allocation.config(script);
    await startTask(agent, config);
    if (isStopped) {
      await allocation.stdout.contains("up\n");
      await agent.driver.stopTask({ taskId: config.id, timeout: { seconds: 600, nanos: 0 }, signal: "" });
    }
    expect(await waitTask(agent, config)).toMatchObject({ exitCode: 0 });
    const exited = (await eventsOf(agent.stateDir, config.id)).find(({ type }) => type === "exited");
    return exited?.data;
  };
  expect(await left("setsid sleep 1000 & exit 0")).toHaveProperty("leftProcesses", true);
  expect(await left("setsid sleep 0 & wait; exit 0")).not.toHaveProperty("leftProcesses");
  const stopped = "trap 'exit 0' INT; setsid sleep 1000 & echo up; while :; do sleep 0.05; done";
  expect(await left(stopped, true)).not.toHaveProperty("leftProcesses");
});

test("processes that a task leaves behind are killed at its end, and its pipes are closed", async () => {
  const allocation = makeAllocation();
  const config = allocation.config("sleep 1000 & setsid sleep 1000 & echo $!; exit 4");
  await startTask(agent, config);
  expect(await waitTask(agent, config)).toMatchObject({ exitCode: 4 });
  expect(allocation.cgroup.processes()).toEqual([]);
  expect(await allocation.stdout.text()).toMatch(/^\d+\n$/);
});

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
