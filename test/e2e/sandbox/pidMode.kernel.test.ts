import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { TaskConfig, TaskHandle } from "../../../src/grpc/generated/nomad/driver.ts";
import { errorOfCall } from "../../../src/grpc/status.ts";
import { stateFolderPaths } from "../../../src/store/folder/stateFolder.ts";
import {
  type Agent,
  pidOf,
  runTask,
  startAgent,
  startTask,
  waitTask,
  withoutOptions,
} from "../../support/agent/agent.ts";
import { type Allocation, makeAllocation } from "../../support/agent/allocation.ts";
import { collect } from "../../support/agent/collectedStream.ts";
import { ExecCall, execScript } from "../../support/agent/execCall.ts";
import { interruptStart } from "../../support/agent/interruptedStart.ts";
import { eventsOf } from "../../support/history/eventLog.ts";
import { eventually } from "../../support/host/eventually.ts";
import { processesNamed, procStatus } from "../../support/host/processes.ts";
import { tracesOf } from "../../support/plugin/pluginTraces.ts";

const allowed = { allow_host_pid: true, unveil_by_task: true };
const longTime = { seconds: 600, nanos: 0 };
const noTime = { seconds: 0, nanos: 1_000_000 };

let agent: Agent;
beforeAll(async () => {
  agent = await startAgent({ options: allowed });
});

let count = 0;
/** A duration for sleep(1) that no other process uses. */
const uniqueSleep = () => `${process.pid}80.${count++}`;
/** Starts two daemons: each has its own session, and is not a child of the process that started it. */
const daemons = (mark: string) => `setsid sh -c 'setsid sleep ${mark} & setsid sleep ${mark} &'`;

/** The config of a task that runs a script in the host's pid namespace. */
function inHostPids(allocation: Allocation, script: string, more: object = {}): TaskConfig {
  return allocation.config({ command: "sh", args: ["-c", script], pid_mode: "host", ...more });
}

async function started(script: string, by = agent) {
  const allocation = makeAllocation();
  const config = inHostPids(allocation, script);
  const handle = await startTask(by, config);
  await allocation.stdout.contains("up\n");
  return { allocation, config, handle };
}

function expectNothingLeft(allocation: Allocation, mark: string): void {
  expect(processesNamed(mark)).toEqual([]);
  expect(allocation.cgroup.below()).toEqual([]);
}

describe("pid_mode", () => {
  test("is host only where the client allows it", async () => {
    const closed = await startAgent();
    const allocation = makeAllocation();
    const refused = await startTask(closed, inHostPids(allocation, "true")).catch(errorOfCall);
    expect(refused).toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringMatching(/"pid_mode", which this client does not allow.*allow_host_pid = true/),
      recoverable: false,
    });
    expect(allocation.cgroup.isEmpty()).toBe(true);
    expect(allocation.cgroup.below()).toEqual([]);
  });

  test("host shows the host's processes, private the task's own", async () => {
    const script = "cd /proc && printf '%s\\n' [0-9]*";
    const seen = async (mode: string) => {
      const allocation = makeAllocation();
      const options = { command: "sh", args: ["-c", script], pid_mode: mode, unveil: ["r:/proc"] };
      expect(await runTask(agent, allocation.config(options))).toMatchObject({ exitCode: 0 });
      return (await allocation.stdout.text()).trim().split("\n").map(Number);
    };
    expect(await seen("host")).toEqual(expect.arrayContaining([1, process.pid, agent.pid]));
    expect((await seen("private")).slice(0, 2)).toEqual([1, 2]);
    expect(await seen("private")).not.toContain(agent.pid);
  });

  test("host is recorded, and the task sees itself in the run's cgroup", async () => {
    const allocation = makeAllocation();
    const script = "cat /proc/self/cgroup; echo $$";
    const config = inHostPids(allocation, script, { unveil: ["r:/proc/self/cgroup"] });
    await runTask(agent, config);
    const [, run] = config.id.match(/\/([0-9a-f]{8})$/) ?? [];
    const text = await allocation.stdout.text();
    const events = await eventsOf(agent.stateDir, config.id);
    const sandboxed = events.find(({ type }) => type === "sandboxed");
    const { runCgroup } = (sandboxed?.data ?? {}) as { runCgroup: string };
    const name = `exec2-${allocation.id}_main_${run}+`;
    expect(runCgroup.slice(0, -8)).toBe(`${allocation.cgroup.path}/${name}`);
    expect(text).toContain(`.scope/${name}${runCgroup.slice(-8)}\n`);
  });

  test("host does not let a task signal another process of its user, or read that process's environment", async () => {
    const allocation = makeAllocation();
    const pid = await neighbourOf(allocation);
    const script = `kill -TERM ${pid} || echo no signal; cat /proc/${pid}/environ || echo no environment; kill -TERM $$`;
    const config = inHostPids(allocation, script, { unveil: ["r:/proc"] });
    // The task may signal itself.
    expect(await runTask(agent, config)).toMatchObject({ signal: 15 });
    expect(await allocation.stdout.text()).toBe("no signal\nno environment\n");
    expect(procStatus(pid).State).toMatch(/^S/);
  });

  test("host gives a command in the task no further rights", async () => {
    const { allocation, config } = await started("echo up; exec sleep 1000");
    const pid = await neighbourOf(allocation);
    const { stdout } = await execScript(agent, config.id, `kill -TERM ${pid} || echo no signal`);
    expect(stdout.toString()).toBe("no signal\n");
    expect(procStatus(pid).State).toMatch(/^S/);
  });
});

describe("a task in the host's pid namespace", () => {
  test("takes its daemons with it when it ends, and leaves no cgroup", async () => {
    const mark = uniqueSleep();
    const { allocation, config } = await started(`${daemons(mark)}; echo up; sleep 0.2; exit 9`);
    expect(await waitTask(agent, config)).toEqual({ exitCode: 9, signal: 0, oomKilled: false });
    expectNothingLeft(allocation, mark);
    expect(await waitTask(agent, config)).toMatchObject({ exitCode: 9 });
  });

  test("stops by itself, or is killed", async () => {
    const mark = uniqueSleep();
    const polite = await started(`trap 'exit 5' INT; ${daemons(mark)}; echo up; sleep 1000 & wait`);
    await agent.driver.stopTask({ taskId: polite.config.id, timeout: longTime, signal: "" });
    expect(await waitTask(agent, polite.config)).toMatchObject({ exitCode: 5 });
    expectNothingLeft(polite.allocation, mark);
    const rude = await started(`trap '' INT; ${daemons(mark)}; echo up; while :; do sleep 1000; done`);
    await agent.driver.stopTask({ taskId: rude.config.id, timeout: noTime, signal: "" });
    expect(await waitTask(agent, rude.config)).toEqual({ exitCode: 137, signal: 9, oomKilled: false });
    expectNothingLeft(rude.allocation, mark);
  });

  test("is destroyed by force, with its daemons", async () => {
    const mark = uniqueSleep();
    const { allocation, config } = await started(`${daemons(mark)}; echo up; exec sleep 1000`);
    await agent.driver.destroyTask({ taskId: config.id, force: true });
    expectNothingLeft(allocation, mark);
  });

  test("gets signals with its group, and its daemons do not", async () => {
    const mark = uniqueSleep();
    const { allocation, config } = await started(
      `trap 'echo signalled' USR1; ${daemons(mark)}; echo up; while :; do sleep 1000 & wait; done`,
    );
    await agent.driver.signalTask({ taskId: config.id, signal: "SIGUSR1" });
    await allocation.stdout.contains("signalled\n");
    await eventually(() => expect(processesNamed(`sleep\0${mark}`)).toHaveLength(2));
  });

  test("can run commands, which see the same processes and end with it", async () => {
    const mark = uniqueSleep();
    const { allocation, config } = await started("echo up; exec sleep 1000");
    const pid = await pidOf(agent, config);
    const { stdout } = await execScript(agent, config.id, `echo $$; setsid sh -c 'sleep ${mark} &'`);
    expect(procStatus(pid).NSpid).toBe(String(pid));
    expect(Number(stdout.toString())).toBeGreaterThan(2);
    await eventually(() => expect(processesNamed(`sleep\0${mark}`)).toHaveLength(1));
    const call = new ExecCall(agent, config.id, ["sh", "-c", "echo in; exec sleep 1000"]);
    await call.shows("in\n");
    await agent.driver.destroyTask({ taskId: config.id, force: true });
    expect(await call.result).toMatchObject({ exitCode: 137 });
    expectNothingLeft(allocation, mark);
  });

  test("can be restarted in the cgroup of its last run, and only that run is ended", async () => {
    const mark = uniqueSleep();
    const allocation = makeAllocation();
    const script = `trap '' INT; ${daemons(mark)}; echo up; while :; do sleep 1000; done`;
    const [first, next] = [inHostPids(allocation, script), inHostPids(allocation, script)];
    await startTask(agent, first);
    await startTask(agent, next);
    await eventually(() => expect(processesNamed(`sleep\0${mark}`)).toHaveLength(4));
    await agent.driver.stopTask({ taskId: first.id, timeout: noTime, signal: "" });
    expect(await waitTask(agent, first)).toMatchObject({ exitCode: 137 });
    expect(processesNamed(`sleep\0${mark}`)).toHaveLength(2);
    expect(allocation.cgroup.below()).toHaveLength(1);
    expect(allocation.cgroup.processes()).toContain(await pidOf(agent, next));
    await agent.driver.destroyTask({ taskId: next.id, force: true });
    expectNothingLeft(allocation, mark);
  });

  test("has statistics for each of its processes, and for no others", async () => {
    const mark = uniqueSleep();
    const { allocation, config } = await started(`${daemons(mark)}; echo up; exec sleep 1000`);
    await eventually(() => expect(allocation.cgroup.processes()).toHaveLength(3));
    const stats = collect(
      agent.driver.taskStats({ taskId: config.id, collectionInterval: { seconds: 600, nanos: 0 } }),
    );
    await stats.first(() => stats.messages.length > 0);
    const pids = [...(stats.messages[0]?.stats?.resourceUsageByPid.keys() ?? [])].map(Number);
    expect(pids.sort()).toEqual(allocation.cgroup.processes().sort());
    expect(pids).toContain(await pidOf(agent, config));
  });

  test("ends completely if its init is killed", async () => {
    const mark = uniqueSleep();
    const { allocation, config } = await started(`${daemons(mark)}; echo up; exec sleep 1000`);
    await eventually(() => expect(processesNamed(`sleep\0${mark}`)).toHaveLength(2));
    const ended = agent.driver.waitTask({ taskId: config.id });
    process.kill(Number(procStatus(await pidOf(agent, config)).PPid), "SIGKILL");
    expect(await ended).toMatchObject({ result: { exitCode: -1 }, err: expect.stringContaining("unknown") });
    expectNothingLeft(allocation, mark);
  });
});

describe("a task in the host's pid namespace whose plugin is killed", () => {
  test.each([
    [23, undefined],
    [0, true],
  ])("ends with its daemons without a plugin, and its exit code %i is known", async (code, known) => {
    const first = await startAgent({ options: allowed });
    const mark = uniqueSleep();
    const allocation = makeAllocation();
    const open = allocation.gate();
    const config = inHostPids(allocation, `${daemons(mark)}; read -r _ < $NOMAD_TASK_DIR/gate; exit ${code}`);
    const handle = await startTask(first, config);
    await eventually(() => expect(processesNamed(`sleep\0${mark}`)).toHaveLength(2));
    await first.crash();
    open();
    await allocation.cgroup.empty();
    expectNothingLeft(allocation, mark);
    const next = await startAgent({ stateDir: first.stateDir, options: allowed });
    await next.driver.recoverTask({ taskId: "", handle });
    expect(await waitTask(next, config)).toMatchObject({ exitCode: code });
    const exited = (await eventsOf(first.stateDir, config.id)).find(({ type }) => type === "exited");
    const { leftProcesses } = (exited?.data ?? {}) as { readonly leftProcesses?: true };
    expect(leftProcesses).toBe(known);
  });

  test("is taken over by the next plugin, which can stop the task with its daemons", async () => {
    const { next, allocation, config, mark } = await takenOver();
    await next.driver.stopTask({ taskId: config.id, timeout: longTime, signal: "" });
    expect(await waitTask(next, config)).toMatchObject({ exitCode: 6 });
    expectNothingLeft(allocation, mark);
  });

  test.each([
    ["the event log", (handle: TaskHandle) => handle],
    ["the agent's handle alone", withoutOptions],
  ])(
    "and whose init is killed, too, is ended by the next plugin, which knows it by %s",
    async (by, change) => {
      const { next, allocation, config, mark } = await takenOver(change, async (init, { stateDir }) => {
        if (by !== "the event log") rmSync(stateFolderPaths(stateDir).events, { recursive: true });
        process.kill(init, "SIGKILL");
      });
      expect(await next.driver.waitTask({ taskId: config.id })).toMatchObject({ result: { exitCode: -1 } });
      expectNothingLeft(allocation, mark);
    },
  );

  test("during its start is ended if it runs", async () => {
    const first = await startAgent({ options: allowed });
    const allocation = makeAllocation();
    const config = inHostPids(allocation, "echo up; exec sleep 1000");
    await interruptStart(first, allocation, config);
    const next = await startAgent({ stateDir: first.stateDir, options: allowed });
    allocation.cgroup.thaw();
    await allocation.cgroup.empty();
    expect(tracesOf(next).runFolders).toEqual([]);
    expect(allocation.cgroup.below()).toEqual([]);
    expect((await eventsOf(first.stateDir, config.id)).at(-1)).toMatchObject({ type: "startFailed" });
  });
});

/** The pid of a process that has the task's user but belongs to no task. */
async function neighbourOf({ user: { uid, gid } }: Allocation): Promise<number> {
  const neighbour = spawn("sleep", ["1000"], { uid, gid, env: { SECRET: "x" }, cwd: "/" });
  onTestFinished(() => void neighbour.kill("SIGKILL"));
  await once(neighbour, "spawn");
  return Number(neighbour.pid);
}

async function takenOver(
  change = (handle: TaskHandle) => handle,
  meanwhile: (init: number, first: Agent) => Promise<void> = async () => undefined,
) {
  const mark = uniqueSleep();
  const first = await startAgent({ options: allowed });
  const script = `trap 'exit 6' INT; ${daemons(mark)}; echo up; while :; do sleep 1000 & wait; done`;
  const { allocation, config, handle } = await started(script, first);
  await eventually(() => expect(processesNamed(`sleep\0${mark}`)).toHaveLength(2));
  const init = Number(procStatus(await pidOf(first, config)).PPid);
  await first.crash();
  await meanwhile(init, first);
  const next = await startAgent({ stateDir: first.stateDir, options: allowed });
  await next.driver.recoverTask({ taskId: "", handle: change(handle) });
  return { next, allocation, config, mark };
}
