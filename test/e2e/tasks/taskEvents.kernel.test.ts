import { beforeAll, describe, expect, test } from "vitest";
import type { DriverTaskEvent } from "../../../src/grpc/generated/nomad/driver.ts";
import type { EventData } from "../../../src/machines/events.ts";
import {
  type Agent,
  pidOf,
  readyTask,
  runTask,
  startAgent,
  startTask,
  waitTask,
} from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { type CollectedStream, collect } from "../../support/agent/collectedStream.ts";
import { eventsOf } from "../../support/history/eventLog.ts";
import { procStatus } from "../../support/host/processes.ts";

let agent: Agent;
beforeAll(async () => {
  agent = await startAgent({ options: { shared_dynamic_ids: "warn" } });
});

describe("the task events of a task", () => {
  test("are none if the task starts, gets signals, is stopped and ends without problems", async () => {
    const events = collect(agent.driver.taskEvents({}));
    const { config } = await readyTask(
      agent,
      "trap 'exit 0' INT; echo up; while :; do sleep 1000 & wait; done",
    );
    await agent.driver.signalTask({ taskId: config.id, signal: "SIGWINCH" });
    await agent.driver.stopTask({ taskId: config.id, timeout: { seconds: 600, nanos: 0 }, signal: "" });
    expect(await waitTask(agent, config)).toMatchObject({ exitCode: 0 });
    await agent.driver.destroyTask({ taskId: config.id, force: true });
    expect(await messagesOf(config, events)).toEqual(await limitMessagesOf(config));
  });

  test("are none for four runs that fail by themselves, and the agent's log has no line at its usual level", async () => {
    const lines = agent.stderrLines.length;
    const events = collect(agent.driver.taskEvents({}));
    const allocation = makeAllocation();
    const runs = Array.from({ length: 4 }, () => allocation.config("exit 7"));
    for (const run of runs) expect(await runTask(agent, run)).toMatchObject({ exitCode: 7 });
    const [first, ...others] = runs as [(typeof runs)[0], ...typeof runs];
    expect(await messagesOf(first, events)).toEqual(await limitMessagesOf(first));
    for (const run of others) expect(await messagesOf(run, events)).toEqual([]);

    const logged = agent.stderrLines.slice(lines).map((line) => JSON.parse(line));
    expect(logged.filter((line) => !["debug", "trace"].includes(line["@level"]))).toEqual([]);
    const started = logged.filter(
      (line) => line["@message"] === "a task runs" && line.alloc_id === allocation.id,
    );
    expect(started.map(({ task_id, task_name }) => [task_id, task_name])).toEqual(
      runs.map(({ id }) => [id, "main"]),
    );
  });

  test("say that the task had to be killed", async () => {
    const events = collect(agent.driver.taskEvents({}));
    const config = await killedTask();
    const killed = await events.first(({ message }) => message.startsWith("Killed"));
    expect(killed).toMatchObject({
      taskId: config.id,
      allocId: config.allocId,
      taskName: "main",
      message: "Killed: still running 5 ms after SIGINT",
    });
  });
});

test("a task event says that a task gets the user of another running task, and names that task", async () => {
  const events = collect(agent.driver.taskEvents({}));
  const first = makeAllocation();
  await startTask(agent, first.config("exec sleep 1000"));
  const second = makeAllocation({ user: first.user });
  const config = second.config("exec sleep 1000");
  await startTask(agent, config);
  const told = await events.first(({ taskId, message }) => taskId === config.id && message.includes("user"));
  expect(told.message).toBe(
    `Runs as ${first.user.name}, the same user as another running task: ${first.id}/main`,
  );
  expect(
    events.messages.filter(({ taskId, message }) => taskId !== config.id && message.includes("user")),
  ).toEqual([]);
});

describe("after a plugin's death task events say", () => {
  test("nothing about a running task, nor about its limits again", async () => {
    const first = await startAgent();
    const allocation = makeAllocation();
    const config = allocation.config("read -r _ < $NOMAD_TASK_DIR/gate; exit 3");
    const open = allocation.gate();
    const handle = await startTask(first, config);
    await first.crash();
    const next = await startAgent({ stateDir: first.stateDir });
    const events = collect(next.driver.taskEvents({}));
    await next.driver.recoverTask({ taskId: "", handle });
    const ended = waitTask(next, config);
    open();
    expect(await ended).toMatchObject({ exitCode: 3 });
    await next.driver.destroyTask({ taskId: config.id, force: true });
    const again = allocation.config("true");
    await runTask(next, again);
    for (const each of [config, again]) expect(await messagesOf(each, events, next)).toEqual([]);
  });

  test("what happened to a task, once the client has a runner that waits for the task", async () => {
    const first = await startAgent();
    const allocation = makeAllocation();
    const config = allocation.config("exec sleep 1000");
    const handle = await startTask(first, config);
    const init = Number(procStatus(await pidOf(first, config)).PPid);
    await first.crash();
    process.kill(init, "SIGKILL");
    await allocation.cgroup.empty();
    const next = await startAgent({ stateDir: first.stateDir });
    const events = collect(next.driver.taskEvents({}));
    await next.driver.recoverTask({ taskId: "", handle });
    expect(await messagesOf(config, events, next)).toEqual([]);
    await next.driver.waitTask({ taskId: config.id });
    const told = await events.first(({ taskId }) => taskId === config.id);
    expect(told.message).toBe("The task is gone and its exit code is unknown");
    expect(await messagesOf(config, events, next)).toHaveLength(1);
  });
});

/** The events of a task so far. Events come in order, so a later event shows that none is missing. */
async function messagesOf(
  { id }: { id: string },
  events: CollectedStream<DriverTaskEvent>,
  by = agent,
): Promise<string[]> {
  const later = await killedTask(by);
  await events.first(({ taskId, message }) => taskId === later.id && message.startsWith("Killed"));
  return events.messages.filter(({ taskId }) => taskId === id).map(({ message }) => message);
}

/** The messages about limits of a first run on this host, which may lack controllers. */
async function limitMessagesOf({ id }: { id: string }): Promise<unknown[]> {
  const [sandboxed] = (await eventsOf(agent.stateDir, id)).flatMap(({ type, data }) =>
    type === "sandboxed" ? [data as EventData<"sandboxed">] : [],
  );
  const limits = sandboxed?.limits ?? [];
  return limits.every(({ applied }) => applied) ? [] : [expect.stringMatching(/^Runs without /)];
}

async function killedTask(by = agent) {
  const { config } = await readyTask(by, "trap '' INT; echo up; while :; do sleep 1000; done");
  await by.driver.stopTask({ taskId: config.id, timeout: { seconds: 0, nanos: 5e6 }, signal: "" });
  await waitTask(by, config);
  return config;
}
