/**
 * Makes the calls that a Nomad client makes around a task's life, in the client's order, and checks the
 * answers as strictly as the client does.
 */
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { probeHost } from "../../../src/effects/host/hostFacts.ts";
import { FingerprintResponse_HealthState as Health } from "../../../src/grpc/generated/nomad/driver.ts";
import { stateFolderPaths } from "../../../src/store/folder/stateFolder.ts";
import { type Agent, pidOf, readyTask, startAgent, startTask, waitTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { liveAsClientCalls, servingScript } from "../../support/agent/clientLife.ts";
import { collect } from "../../support/agent/collectedStream.ts";
import { execScript } from "../../support/agent/execCall.ts";
import { startWarmAgent } from "../../support/agent/refusal.ts";
import { setConfig } from "../../support/agent/requests.ts";
import { eventually } from "../../support/host/eventually.ts";
import { startJournal } from "../../support/host/journal.ts";
import { leftSince, nothingLeft, tracesOf } from "../../support/plugin/pluginTraces.ts";
import { type StartedPlugin, startPlugin } from "../../support/plugin/startPlugin.ts";

const longTime = { seconds: 600, nanos: 0 };
const noTime = { seconds: 0, nanos: 1_000_000 };

describe("the start of an agent", () => {
  test("launches the plugin three times, and only the third launch touches log and host", async () => {
    const { agent, stateDir, allocation, config, handle, pid } = await runningTask();
    await agent.crash();
    const before = filesBelow(stateDir);

    const asked = await startPlugin();
    expect(await asked.base.pluginInfo({})).toMatchObject({ name: "exec2" });
    expect((await asked.base.configSchema({})).spec).toBeDefined();
    expectUntouched(asked, stateDir);
    await endByPlugin(asked);

    const validating = await startPlugin();
    for (const _ of [1, 2])
      expect(await validating.base.setConfig(setConfig({ state_dir: stateDir }, false))).toEqual({});
    expectUntouched(validating, stateDir);
    // Another plugin can open the log, since the validating plugin has not locked it.
    const working = await startPlugin();
    expect(filesBelow(stateDir)).toEqual(before);
    expect(await working.base.setConfig(setConfig({ state_dir: stateDir }))).toEqual({});
    await endByPlugin(validating);

    expect(await working.driver.init({})).toEqual({});
    const fingerprint = await collect(working.driver.fingerprint({})).first(() => true);
    expect(fingerprint).toMatchObject({ health: Health.HEALTHY, err: "" });
    collect(working.driver.taskEvents({}));
    expect(openBelow(working.pid, stateDir)).not.toEqual([]);
    await working.driver.taskConfigSchema({});
    await working.driver.capabilities({});
    await working.driver.recoverTask({ taskId: "", handle });
    expect(await pidOf(working, config)).toBe(pid);
    expect(allocation.cgroup.processes()).toEqual([pid]);
    await endByPlugin(working);
  });

  test("that fails between SetConfig and Init can be repeated, and no task is lost", async () => {
    const { agent, stateDir, config, handle, pid } = await runningTask();
    await agent.crash();
    for (const _ of [1, 2]) {
      const failed = await startPlugin();
      await failed.base.setConfig(setConfig({ state_dir: stateDir }));
      process.kill(failed.pid, "SIGKILL");
      await failed.exited;
      failed.disconnect();
    }
    const next = await startAgent({ stateDir });
    await next.driver.recoverTask({ taskId: "", handle });
    expect(await pidOf(next, config)).toBe(pid);
  });
});

describe("the end of an agent", () => {
  test("kills a plugin that does not end in time, but no task", async () => {
    const { agent, stateDir, allocation, config, handle, pid } = await runningTask();
    process.kill(agent.pid, "SIGSTOP");
    expect(await agent.close()).toEqual({ code: null, signal: "SIGKILL" });
    expect(allocation.cgroup.processes()).toEqual([pid]);
    const next = await startAgent({ stateDir });
    await next.driver.recoverTask({ taskId: "", handle });
    await next.driver.stopTask({ taskId: config.id, timeout: longTime, signal: "SIGTERM" });
    expect(await waitTask(next, config)).toMatchObject({ exitCode: 143, signal: 15 });
  });
});

test("Capabilities are the same before each start, recovery and command", async () => {
  const fresh = await startPlugin();
  const { capabilities } = await fresh.driver.capabilities({});
  const { agent, stateDir, config, handle } = await runningTask();
  expect(await agent.driver.capabilities({})).toEqual({ capabilities });
  await agent.crash();
  const next = await startAgent({ stateDir });
  expect(await next.driver.capabilities({})).toEqual({ capabilities });
  await next.driver.recoverTask({ taskId: "", handle });
  expect(await next.driver.capabilities({})).toEqual({ capabilities });
  expect((await execScript(next, config.id, "exit 4")).marks).toContain("exited");
  expect(await next.driver.capabilities({})).toEqual({ capabilities });
});

describe.each(["private", "host"])("a task in the %s pid namespace", (mode) => {
  let agent: Agent;
  beforeAll(async () => {
    agent = await startWarmAgent({ options: { allow_host_pid: true } });
  });

  /** Leaves processes that are neither in the task's session nor children of the task's process. */
  const daemons = "setsid sh -c 'setsid sleep 1000 & setsid sleep 1000 &'";

  test.each([
    ["has exited", "exit 3", undefined, { exitCode: 3 }],
    ["has left processes behind", `${daemons}; exit 4`, undefined, { exitCode: 4 }],
    ["has been killed", `${daemons}; kill -KILL $$`, undefined, { exitCode: 137, signal: 9 }],
    [
      "has been stopped",
      `trap 'exit 5' INT; ${daemons}; echo up; while :; do sleep 1000 & wait; done`,
      longTime,
      { exitCode: 5 },
    ],
    [
      "had to be killed",
      `trap '' INT; ${daemons}; echo up; while :; do sleep 1000; done`,
      noTime,
      { exitCode: 137, signal: 9 },
    ],
  ])(
    "that %s leaves a cgroup that can be removed in one attempt once WaitTask is answered, before DestroyTask",
    async (_how, script, timeout, result) => {
      const before = tracesOf(agent);
      const allocation = makeAllocation();
      const config = allocation.config({ command: "sh", args: ["-c", script], pid_mode: mode });
      await startTask(agent, config);
      const ended = waitTask(agent, config);
      if (timeout !== undefined) {
        await allocation.stdout.contains("up\n");
        await agent.driver.stopTask({ taskId: config.id, timeout, signal: "" });
      }
      expect(await ended).toMatchObject(result);
      allocation.cgroup.removeAsAgent();
      expect(await agent.driver.destroyTask({ taskId: config.id, force: true })).toEqual({});
      await expect(agent.driver.inspectTask({ taskId: config.id })).rejects.toThrow("task not found");
      await eventually(() => expect(leftSince(before, agent)).toEqual(nothingLeft));
    },
  );

  test.each<[string, object]>([
    ["wrong options", { command: "true", umask: "9" }],
    ["a command that is nowhere", { command: "no-such-command" }],
    ["a launch that fails", { command: "true", args: ["x".repeat(200_000)] }],
  ])("that could not start because of %s leaves nothing, although no call follows", async (_why, command) => {
    const before = tracesOf(agent);
    const allocation = makeAllocation();
    await expect(startTask(agent, allocation.config({ ...command, pid_mode: mode }))).rejects.toThrow();
    allocation.cgroup.removeAsAgent();
    await eventually(() => expect(leftSince(before, agent)).toEqual(nothingLeft));
  });
});

describe("a task over the restart of a client", () => {
  const serving = { command: "sh", args: ["-c", servingScript] };
  const stopped = { exitCode: 5, signal: 0 };
  // The virtual machine has all controllers.
  const hasHugePages = probeHost().cgroupControllers.includes("hugetlb");
  type Life = [name: string, options: object, plugin: Readonly<Record<string, unknown>>, end: object];
  const hugePages: Life = ["hugepages", { hugepages: { "2MB": 2 } }, {}, stopped];

  test.each<Life>([
    [
      "stop_command",
      { stop_command: ["sh", "-c", ': > "$NOMAD_TASK_DIR/stop"'] },
      {},
      { exitCode: 6, signal: 0 },
    ],
    ["stop_command that fails", { stop_command: ["false"] }, {}, stopped],
    ["cgroup_delegate", { cgroup_delegate: true }, { allow_cgroup_delegate: true }, stopped],
    ["pressure", { pressure: [{ cpu: "some 100ms 2s" }] }, {}, stopped],
    ["unveil_sets", { unveil_sets: ["own"] }, { unveil_sets: [{ own: ["r:/etc/hostname"] }] }, stopped],
    ...(hasHugePages ? [hugePages] : []),
  ])(
    "with %s answers as any other, and leaves a cgroup without a process",
    async (_, options, plugin, end) => {
      const ended = await liveAsClientCalls({
        allocation: makeAllocation(),
        command: { ...serving, ...options },
        launch: (stateDir) => startAgent({ options: plugin, ...(stateDir !== undefined && { stateDir }) }),
      });
      expect(ended).toMatchObject(end);
    },
  );

  test("with its output in journald answers as any other, and leaves a cgroup without a process", async (context) => {
    const journal = await startJournal(context);
    const options = { log_collection: "journald", journal_namespace: journal.namespace };
    const allocation = makeAllocation();
    const ended = await liveAsClientCalls({
      allocation,
      command: { ...serving, args: ["-c", `echo up; ${servingScript}`] },
      launch: (stateDir) => startAgent({ options, ...(stateDir !== undefined && { stateDir }) }),
    });
    expect(ended).toMatchObject(stopped);
    const unit = `_SYSTEMD_UNIT=${basename(allocation.cgroup.path)}`;
    await eventually(() => expect(journal.messages(unit)).toEqual(["up"]));
  });

  test.each<Life>([
    ...(hasHugePages ? [] : [hugePages]),
    ["numa_memory without cores", { numa_memory: "local" }, {}, {}],
    [
      "journald",
      { log_collection: "journald" },
      { allow_journald: true, journal_namespace: "exec2-none" },
      {},
    ],
  ])(
    "that cannot have %s here is refused, and leaves nothing, although no call follows",
    async (_, options, plugin) => {
      const agent = await startWarmAgent({ options: plugin });
      const before = tracesOf(agent);
      const allocation = makeAllocation();
      await expect(startTask(agent, allocation.config({ ...serving, ...options }))).rejects.toThrow();
      allocation.cgroup.removeAsAgent();
      await eventually(() => expect(leftSince(before, agent)).toEqual(nothingLeft));
    },
  );
});

/** A task that has printed "up". */
async function runningTask() {
  const agent = await startAgent();
  const task = await readyTask(agent, "echo up; exec sleep 1000");
  return { agent, stateDir: agent.stateDir, ...task };
}

/** Ends a plugin as agents end a plugin without tasks: only by go-plugin's call. */
async function endByPlugin(plugin: StartedPlugin): Promise<void> {
  await plugin.controller.shutdown({});
  expect(await plugin.exited).toEqual({ code: 0, signal: null });
}

/** Expects that the plugin has opened nothing in the state folder, and started no process. */
function expectUntouched({ pid }: StartedPlugin, stateDir: string): void {
  expect(openBelow(pid, stateDir)).toEqual([]);
  expect(tracesOf({ pid, stateDir }).children).toEqual([]);
  expect(readFileSync(`/proc/${pid}/maps`, "utf8")).not.toContain(stateFolderPaths(stateDir).events);
}

function openBelow(pid: number, folder: string): string[] {
  const links = readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`));
  return links.filter((link) => link.startsWith(folder));
}

/** The target of a link; empty for a descriptor that was closed meanwhile. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

/** Every file with the values that change when it is written or replaced. */
function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .toSorted()
    .map((name) => {
      const { ino, size, mtimeMs, ctimeMs } = statSync(join(folder, name));
      return [name, ino, size, mtimeMs, ctimeMs].join(" ");
    });
}
