import { status } from "@grpc/grpc-js";
import { beforeAll, describe, expect, test } from "vitest";
import { TaskState } from "../../../src/grpc/generated/nomad/driver.ts";
import { errorOfCall } from "../../../src/grpc/status.ts";
import { type Agent, pidOf, runTask, startAgent, startTask, waitTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { eventsOf } from "../../support/history/eventLog.ts";
import { procStatus } from "../../support/host/processes.ts";

const notFound = { code: status.UNKNOWN, details: "task not found for given id" };

let agent: Agent;
beforeAll(async () => {
  agent = await startAgent();
});

describe.each(["nobody/knows/0123abcd", "", "../../etc/passwd", "\0"])("a missing task %o", (taskId) => {
  const timeout = { seconds: 1, nanos: 0 };

  test("cannot be waited for, inspected or signalled", async () => {
    await expect(agent.driver.waitTask({ taskId })).rejects.toMatchObject(notFound);
    await expect(agent.driver.inspectTask({ taskId })).rejects.toMatchObject(notFound);
    await expect(agent.driver.signalTask({ taskId, signal: "SIGTERM" })).rejects.toMatchObject(notFound);
  });

  test("has no statistics", async () => {
    const stats = agent.driver.taskStats({ taskId, collectionInterval: timeout });
    await expect(stats.toArray()).rejects.toMatchObject({ code: expect.any(Number) });
  });

  test("can be stopped and destroyed without an error", async () => {
    expect(await agent.driver.stopTask({ taskId, timeout, signal: "" })).toEqual({});
    expect(await agent.driver.destroyTask({ taskId, force: false })).toEqual({});
    expect(await agent.driver.destroyTask({ taskId, force: true })).toEqual({});
  });
});

describe("StartTask", () => {
  test("called twice at once with the same id starts exactly one task", async () => {
    const allocation = makeAllocation();
    const config = allocation.config("echo up; exec sleep 1000");
    const outcomes = await Promise.allSettled([startTask(agent, config), startTask(agent, config)]);
    const [refused, ...others] = outcomes.filter((outcome) => outcome.status === "rejected");
    expect(others).toEqual([]);
    expect(errorOfCall(refused?.reason)).toMatchObject({ code: "TASK_EXISTS", recoverable: false });
    expect(allocation.cgroup.processes()).toEqual([await pidOf(agent, config)]);
    await agent.driver.destroyTask({ taskId: config.id, force: true });
    expect(allocation.cgroup.processes()).toEqual([]);
  });

  test("with the id of a destroyed task is refused, because the task's history has ended", async () => {
    const allocation = makeAllocation();
    const config = allocation.config("true");
    await runTask(agent, config);
    await expect(startTask(agent, config)).rejects.toThrow("TASK_EXISTS");
    expect((await eventsOf(agent.stateDir, config.id)).at(-1)?.to).toBe("destroyed");
  });
});

describe("WaitTask", () => {
  test("returns for every caller, also for later ones", async () => {
    const allocation = makeAllocation();
    const open = allocation.gate();
    const config = allocation.config("read -r _ < $NOMAD_TASK_DIR/gate; exit 9");
    await startTask(agent, config);
    const waits = [1, 2, 3].map(() => waitTask(agent, config));
    open();
    const nine = { exitCode: 9, signal: 0, oomKilled: false };
    expect(await Promise.all(waits)).toEqual([nine, nine, nine]);
    expect(await waitTask(agent, config)).toEqual(nine);
  });

  test("cancelled by one caller goes on for the others", async () => {
    const allocation = makeAllocation();
    const open = allocation.gate();
    const config = allocation.config("read -r _ < $NOMAD_TASK_DIR/gate; exit 9");
    await startTask(agent, config);
    const ended = waitTask(agent, config);
    const cancelling = new AbortController();
    const cancelled = agent.driver.waitTask({ taskId: config.id }, { signal: cancelling.signal });
    cancelling.abort();
    await expect(cancelled).rejects.toMatchObject({ code: status.CANCELLED });
    open();
    expect(await ended).toMatchObject({ exitCode: 9 });
  });
});

describe("InspectTask", () => {
  test("reports a task's state, and in the end how the task ended", async () => {
    const allocation = makeAllocation();
    const open = allocation.gate();
    const config = allocation.config("read -r _ < $NOMAD_TASK_DIR/gate; kill -USR1 $$");
    await startTask(agent, config);
    const running = await agent.driver.inspectTask({ taskId: config.id });
    expect(running.task).toMatchObject({ id: config.id, name: "main", state: TaskState.RUNNING });
    expect(procStatus(Number(running.driver?.attributes.get("pid"))).Name).toBe("sh");
    open();
    await waitTask(agent, config);
    const { task } = await agent.driver.inspectTask({ taskId: config.id });
    expect(task).toMatchObject({ state: TaskState.EXITED, result: { exitCode: 138, signal: 10 } });
    expect(task?.startedAt).toEqual(running.task?.startedAt);
    expect(task?.completedAt?.seconds).toBeGreaterThanOrEqual(task?.startedAt?.seconds ?? Number.NaN);
  });
});

describe("DestroyTask", () => {
  test("without force refuses a running task and does not forget it; with force it ends the task", async () => {
    const allocation = makeAllocation();
    const config = allocation.config("trap '' INT TERM; while :; do sleep 1000; done");
    const taskId = config.id;
    await startTask(agent, config);
    const ended = waitTask(agent, config);
    const refused = await agent.driver.destroyTask({ taskId, force: false }).catch(errorOfCall);
    expect(refused).toMatchObject({ code: "TASK_STILL_RUNNING" });
    expect((await agent.driver.inspectTask({ taskId })).task?.state).toBe(TaskState.RUNNING);
    await agent.driver.destroyTask({ taskId, force: true });
    expect(allocation.cgroup.processes()).toEqual([]);
    expect(await ended).toEqual({ exitCode: 137, signal: 9, oomKilled: false });
    await expect(agent.driver.inspectTask({ taskId })).rejects.toMatchObject(notFound);
  });

  test.each([false, true])("forgets an ended task (force: %o)", async (force) => {
    const config = makeAllocation().config("exit 2");
    await startTask(agent, config);
    await waitTask(agent, config);
    await agent.driver.destroyTask({ taskId: config.id, force });
    await expect(agent.driver.waitTask({ taskId: config.id })).rejects.toMatchObject(notFound);
  });

  test("several concurrent calls all succeed", async () => {
    const config = makeAllocation().config("exec sleep 1000");
    await startTask(agent, config);
    const destroy = () => agent.driver.destroyTask({ taskId: config.id, force: true });
    expect(await Promise.all([destroy(), destroy(), destroy()])).toEqual([{}, {}, {}]);
  });
});
