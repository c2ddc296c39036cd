import { rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { uptime } from "node:os";
import { describe, expect, test } from "vitest";
import { TaskState } from "../../../src/grpc/generated/nomad/driver.ts";
import { stateFolderPaths } from "../../../src/store/folder/stateFolder.ts";
import { type Agent, pidOf, runTask, startAgent, startTask, waitTask } from "../../support/agent/agent.ts";
import { type Allocation, makeAllocation } from "../../support/agent/allocation.ts";
import { collect } from "../../support/agent/collectedStream.ts";
import {
  goDriverHandle,
  goDriverSecret,
  kernelReportsExitStatus,
  startAsGoDriver,
} from "../../support/agent/goDriverTask.ts";
import { eventsOf } from "../../support/history/eventLog.ts";
import { eventually } from "../../support/host/eventually.ts";
import { processesNamed, procStatus } from "../../support/host/processes.ts";
import { tracesOf } from "../../support/plugin/pluginTraces.ts";

const gated = "echo up; read -r _ < $NOMAD_TASK_DIR/gate";
const stubborn = "trap '' INT; echo up; while :; do sleep 1000; done";

describe("a running task that the Go driver has started", () => {
  test("is taken over, and its end is reported", async () => {
    const { agent, allocation, task, open } = await takenOver(`${gated}; echo after; exit 19`);
    const { task: status } = await agent.driver.inspectTask({ taskId: task.config.id });
    const startedAt = { seconds: Math.floor(task.startedAt / 1000) };
    expect(status).toMatchObject({ state: TaskState.RUNNING, startedAt });
    const pid = await pidOf(agent, task.config);
    const told = collect(agent.driver.taskEvents({}));
    expect(procStatus(pid).Uid).toContain(String(allocation.user.uid));
    const ended = waitTask(agent, task.config);
    const { message } = await told.first(({ taskId }) => taskId === task.config.id);
    expect(message).toBe(`Taken over from the Go driver, process ${task.pid}`);
    open();
    expect(await ended).toEqual({ exitCode: 19, signal: 0, oomKilled: false });
    expect(await allocation.stdout.text()).toBe("up\nafter\n");
    await agent.driver.destroyTask({ taskId: task.config.id, force: true });
    const events = await eventsOf(agent.stateDir, task.config.id);
    expect(events.map(({ type }) => type)).toEqual([
      "requested",
      "adopted",
      "recovered",
      "exited",
      "destroyed",
    ]);
    expect(events[1]?.data).toMatchObject({ handle: { pid: task.pid }, found: { task: { pid } } });
    expect(JSON.stringify([events, agent.stderrLines])).not.toContain(goDriverSecret);
    await eventually(() => expect(tracesOf(agent).runFolders).toEqual([]));
    await allocation.cgroup.empty();
  });

  test("gets signals, which do not end it, and can be stopped", async () => {
    const { agent, allocation, task } = await takenOver(
      "trap 'echo hup' HUP; trap 'echo usr' USR1; trap 'echo stopped; exit 6' INT; echo up; while :; do sleep 1000 & wait; done",
    );
    for (const [signal, said] of [
      ["SIGHUP", "hup\n"],
      ["SIGUSR1", "usr\n"],
    ] as const) {
      await agent.driver.signalTask({ taskId: task.config.id, signal });
      await allocation.stdout.contains(said);
    }
    await agent.driver.stopTask({ taskId: task.config.id, timeout: { seconds: 600, nanos: 0 }, signal: "" });
    expect(await waitTask(agent, task.config)).toMatchObject({ exitCode: 6 });
    await allocation.cgroup.empty();
  });

  test("is killed if it does not stop, but another run in its cgroup is not", async () => {
    const { agent, allocation, task } = await takenOver(stubborn);
    const next = allocation.config("exec sleep 1000");
    await startTask(agent, next);
    await agent.driver.stopTask({ taskId: task.config.id, timeout: { seconds: 0, nanos: 1e6 }, signal: "" });
    expect(await waitTask(agent, task.config)).toMatchObject({ exitCode: 137, signal: 9 });
    await task.ended;
    const pid = await pidOf(agent, next);
    await eventually(() => expect(allocation.cgroup.processes()).toEqual([pid]));
  });

  test("can be destroyed by force, with all processes that it has started", async () => {
    const { agent, allocation, task } = await takenOver(`setsid sleep 1000 & ${stubborn}`);
    await agent.driver.destroyTask({ taskId: task.config.id, force: true });
    await task.ended;
    await allocation.cgroup.empty();
    expect(allocation.cgroup.processes()).toEqual([]);
    await expect(agent.driver.inspectTask({ taskId: task.config.id })).rejects.toThrow("task not found");
  });

  test("that is ended by a signal is reported with that signal", async () => {
    const { agent, task, open } = await takenOver(`${gated}; kill -SEGV $$`);
    const ended = waitTask(agent, task.config);
    open();
    expect(await ended).toMatchObject(
      kernelReportsExitStatus ? { exitCode: 139, signal: 11 } : { exitCode: 255, signal: 0 },
    );
  });

  test("is known to every later plugin, even if it ends while no plugin runs", async () => {
    const { agent, task, allocation, open } = await takenOver(`${gated}; exit 23`);
    await agent.crash();
    const next = await recover(task.handle(), agent.stateDir);
    expect(await pidOf(next, task.config)).toBeGreaterThan(0);
    await next.crash();
    open();
    await allocation.cgroup.empty();
    const last = await recover(task.handle(), agent.stateDir);
    expect(await waitTask(last, task.config)).toMatchObject({ exitCode: 23, signal: 0 });
    const types = (await eventsOf(agent.stateDir, task.config.id)).map(({ type }) => type);
    expect(types).toEqual(["requested", "adopted", "recovered", "recovered", "exited"]);
  });

  test("is taken over again if the event log was lost in between", async () => {
    const { agent, task, open } = await takenOver(`${gated}; exit 24`);
    await agent.crash();
    rmSync(stateFolderPaths(agent.stateDir).events, { recursive: true });
    const next = await recover(task.handle(), agent.stateDir);
    const ended = waitTask(next, task.config);
    open();
    expect(await ended).toMatchObject({ exitCode: 24 });
  });

  test("is still watched if its witness is killed", async () => {
    const { agent, allocation, task, open } = await takenOver(`${gated}; exit 25`);
    const name = `exec2-witness: ${allocation.id}`;
    const [witness = 0] = processesNamed(name);
    process.kill(witness, "SIGKILL");
    await eventually(() => expect(processesNamed(name).filter((pid) => pid !== witness)).toHaveLength(1));
    const ended = waitTask(agent, task.config);
    open();
    expect(await ended).toMatchObject({ exitCode: 25 });
  });
});

describe("a task of the Go driver that has ended before it is taken over", () => {
  test("has the exit code that its shim left", async () => {
    const { task } = await ended("exit 7");
    const agent = await recover(task.handle());
    expect(await waitTask(agent, task.config)).toEqual({ exitCode: 7, signal: 0, oomKilled: false });
    const events = await eventsOf(agent.stateDir, task.config.id);
    expect(events.at(-1)).toMatchObject({ type: "exited", data: { source: "taskFile" } });
    await agent.driver.destroyTask({ taskId: task.config.id, force: true });
  });

  test.each([
    ["the shim left no file", (file: string) => rmSync(file)],
    ["the file is that of an earlier run", (file: string) => utimesSync(file, 1, 1)],
    ["the file holds no number", (file: string) => writeFileSync(file, "7 and a half")],
    ["the number is too large", (file: string) => writeFileSync(file, "256")],
    [
      "the file is a link",
      (file: string) => {
        rmSync(file);
        writeFileSync(`${file}.other`, "0");
        symlinkSync(`${file}.other`, file);
      },
    ],
  ])("has an unknown end if %s", async (_why, change) => {
    const { allocation, task } = await ended("exit 7");
    change(`${allocation.taskFolder}/local/.exit_status.txt`);
    const agent = await recover(task.handle());
    const { result, err } = await agent.driver.waitTask({ taskId: task.config.id });
    expect(result).toMatchObject({ exitCode: -1 });
    expect(err).toContain("unknown");
  });

  test("is not mistaken for the process that has its pid now", async () => {
    const { task } = await ended("exit 7");
    const other = makeAllocation();
    const { pid } = await startAsGoDriver(other, "exec sleep 1000");
    const agent = await recover(task.handle({ pid, startedAt: task.startedAt - 60_000 }));
    expect(await waitTask(agent, task.config)).toMatchObject({ exitCode: 7 });
    expect(other.cgroup.processes()).toContain(pid);
  });
});

describe("a handle of the Go driver", () => {
  test("is refused if the process is in another cgroup, and nothing is done to the process", async () => {
    const { allocation, task } = await running();
    const elsewhere = makeAllocation().config("true");
    const handle = goDriverHandle(elsewhere, { ...task, taskId: elsewhere.id });
    await expect(recover(handle)).rejects.toThrow(/TASK_LOST.*cgroup/);
    expect(allocation.cgroup.processes()).toContain(task.pid);
  });

  test("is refused if a process of the cgroup has the pid but another start time", async () => {
    const { allocation, task } = await running();
    await expect(recover(task.handle({ startedAt: task.startedAt - 40_000 }))).rejects.toThrow(
      /TASK_LOST.*40 s after the time in the handle/,
    );
    expect(allocation.cgroup.processes()).toContain(task.pid);
  });

  test("of an earlier boot belongs to a task that is lost", async () => {
    const { allocation, task } = await running();
    const startedAt = Date.now() - uptime() * 1000 - 100_000;
    const agent = await startAgent();
    const handle = task.handle({ startedAt });
    await expect(agent.driver.recoverTask({ taskId: "", handle })).rejects.toThrow(/TASK_LOST.*rebooted/);
    expect((await eventsOf(agent.stateDir, task.config.id)).at(-1)?.type).toBe("lost");
    expect(allocation.cgroup.processes()).toContain(task.pid);
    // An agent then destroys the task and starts it again.
    const events = collect(agent.driver.taskEvents({}));
    await agent.driver.destroyTask({ taskId: task.config.id, force: true });
    await runTask(agent, allocation.config("true"));
    const lost = await events.first(({ taskId }) => taskId === task.config.id);
    expect(lost.message).toBe("Lost: the host was rebooted, which ended the task");
  });

  test("is refused if it belongs to another task", async () => {
    const { task } = await running();
    await expect(recover(task.handle({ taskId: "another" }))).rejects.toThrow(/HANDLE_INVALID/);
  });
});

async function running() {
  const allocation = makeAllocation();
  const task = await startAsGoDriver(allocation, "echo up; sleep 1000");
  return { allocation, task };
}

async function ended(
  script: string,
): Promise<{ allocation: Allocation; task: Awaited<ReturnType<typeof startAsGoDriver>> }> {
  const allocation = makeAllocation();
  const open = allocation.gate();
  const task = await startAsGoDriver(allocation, `${gated}; ${script}`);
  open();
  await task.ended;
  return { allocation, task };
}

async function takenOver(script: string) {
  const allocation = makeAllocation();
  const open = allocation.gate();
  const task = await startAsGoDriver(allocation, script);
  await allocation.stdout.contains("up\n");
  const agent = await recover(task.handle());
  return { agent, allocation, task, open };
}

async function recover(handle: ReturnType<typeof goDriverHandle>, stateDir?: string): Promise<Agent> {
  const agent = await startAgent(stateDir === undefined ? {} : { stateDir });
  await agent.driver.recoverTask({ taskId: "", handle });
  return agent;
}
