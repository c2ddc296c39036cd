/**
 * Runs tasks of all kinds, one after another and at the same time. They run, fail to start, are stopped and
 * killed, and run commands, while their plugin is killed now and then. Afterwards the host must be as before.
 * Needs root.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import type { TaskConfig, TaskHandle } from "../../src/grpc/generated/nomad/driver.ts";
import { type LaunchedPlugin, launchPlugin } from "../../src/grpc/pluginClient.ts";
import { type Random, randomOf } from "../crash/random.ts";
import { Allocation, type Command } from "../support/agent/allocation.ts";
import { ExecCall } from "../support/agent/execCall.ts";
import { killLoggers, loggersIn } from "../support/agent/loggers.ts";
import { setConfig } from "../support/agent/requests.ts";
import { prepareStart } from "../support/agent/taskClient.ts";
import { persistentFolders } from "../support/host/temporaryFolder.ts";
import { until } from "../support/host/until.ts";
import { type Footprint, footprintOf, memoryOf } from "./footprint.ts";

export interface LeakRun {
  readonly before: Footprint;
  /** The footprint after all tasks, measured once it was equal to `before`, or after ten seconds. */
  readonly after: Footprint;
  /** The plugin's memory in KiB after the warm-up, and the memory of the last plugin at the end. */
  readonly memory: { readonly first: number; readonly last: number };
  readonly crashes: number;
}

export interface LeakRunOptions {
  /** The command that launches the plugin. */
  readonly command: string;
  readonly args?: readonly string[];
  /** Who writes the tasks' log files. */
  readonly logs: "agent" | "driver";
  readonly tasks: number;
  readonly seed: number;
  /** Milliseconds of rest before the memory is measured; none by default. */
  readonly restMs?: number;
  readonly onProgress?: (done: number) => void;
}

const atATime = 4;
/**
 * The number of tasks before the first measurement, because a plugin opens some descriptors with its first
 * tasks.
 */
const warmUp = 40;
/** Tasks between two possible crashes. */
const batch = 50;

export async function runForLeaks({
  command,
  args,
  logs,
  tasks,
  seed,
  restMs = 0,
  onProgress,
}: LeakRunOptions): Promise<LeakRun> {
  const random = randomOf(seed);
  const folder = mkdtempSync(`${persistentFolders}/exec2-leaks-`);
  const stateDir = join(folder, "state");
  const allocations = Array.from({ length: atATime }, () => new Allocation());
  const cgroups = allocations.map(({ cgroup }) => cgroup.path);
  const launch = async () => {
    const env = { ...process.env, PLUGIN_UNIX_SOCKET_DIR: folder };
    const plugin = await launchPlugin({ command, env, ...(args && { args }) });
    const options = { state_dir: stateDir, unveil_by_task: true, allow_host_pid: true, log_collection: logs };
    await plugin.base.setConfig(setConfig(options));
    await plugin.driver.init({});
    return plugin;
  };
  let plugin = await launch();
  const live = async (count: number) => {
    let left = count;
    const worker = async (allocation: Allocation) => {
      while (left-- > 0) await life(plugin, allocation, random, logs);
    };
    await Promise.all(allocations.map(worker));
  };
  const ownFolders = [folder, ...allocations.map((allocation) => allocation.folder)];
  const logFolders = allocations.map(({ folder }) => `${folder}/alloc/logs`);
  const memoryAtRest = async () => {
    await delay(restMs);
    return memoryOf(plugin.pid);
  };
  const measured = () => footprintOf(plugin.pid, { stateDir, cgroups, ownFolders, logFolders });
  try {
    for (const allocation of allocations) await prepareStart(plugin.driver, allocation.config("true"));
    await live(warmUp);
    const before = await settled(measured);
    const first = await memoryAtRest();
    let crashes = 0;
    for (let done = 0; done < tasks; done += batch) {
      await live(Math.min(batch, tasks - done));
      onProgress?.(Math.min(done + batch, tasks));
      if (!random.chance(crashes < 2 ? 50 : 2)) continue;
      plugin = await crash(plugin, launch, allocations);
      crashes++;
    }
    // A new plugin also opens some descriptors with its first tasks.
    await live(warmUp);
    const after = await settled(measured, before);
    return { before, after, memory: { first, last: await memoryAtRest() }, crashes };
  } finally {
    await plugin.close();
    for (const allocation of allocations) await allocation.remove();
    rmSync(folder, { recursive: true });
  }
}

/** Drives a task through its whole life, as an agent does. */
async function life(
  plugin: LaunchedPlugin,
  allocation: Allocation,
  random: Random,
  logs: LeakRunOptions["logs"],
): Promise<void> {
  const { driver } = plugin;
  const kind = random.pick(kinds[logs]);
  const task = allocation.config(kind.command, kind.differing);
  try {
    await driver.startTask({ task });
  } catch (thrown) {
    // An agent makes no further calls for a task whose start failed.
    if (kind.fails) return;
    throw thrown;
  }
  await kind.meanwhile?.(plugin, task, random, allocation);
  await driver.waitTask({ taskId: task.id });
  await driver.destroyTask({ taskId: task.id, force: true });
}

interface Kind {
  readonly command: Command;
  readonly differing?: Partial<Pick<TaskConfig, "user" | "allocDir">>;
  readonly fails?: true;
  /** Ends the task, except if the task ends by itself. */
  readonly meanwhile?: (
    plugin: LaunchedPlugin,
    task: TaskConfig,
    random: Random,
    allocation: Allocation,
  ) => Promise<unknown>;
}

const long = "exec sleep 1000";
const noTime = { seconds: 0, nanos: 0 };

const ordinary: readonly Kind[] = [
  { command: "true" },
  { command: "exit 3" },
  { command: "sleep 1000 & setsid sleep 1000 & exit 0" },
  { command: "head -c 200000 /dev/zero" },
  { command: { command: "sh", args: ["-c", "setsid sleep 1000 & exit 0"], pid_mode: "host" } },
  { command: { command: "no-such-program" }, fails: true },
  { command: { command: "/etc/hosts" }, fails: true },
  { command: { command: "true", work_dir: "local/missing" }, fails: true },
  { command: { command: "true", unveil: ["r:/no/such/path"] }, fails: true },
  { command: { command: "true", unveil: ["r:/proc/self/fd/7"] }, fails: true },
  { command: "true", differing: { user: "no-such-user" }, fails: true },
  { command: long, meanwhile: stop },
  { command: "trap '' INT; while :; do sleep 1000; done", meanwhile: stop },
  { command: long, meanwhile: kill },
  { command: long, meanwhile: commands },
  { command: long, meanwhile: openEndedCalls },
];

const kinds: Readonly<Record<LeakRunOptions["logs"], readonly Kind[]>> = {
  agent: ordinary,
  driver: [
    ...ordinary,
    { command: { command: "seq", args: ["400000"], log_max_file_size: 1, log_max_files: 2 } },
    { command: "seq 1000; sleep 0.1; seq 100000", meanwhile: killLogger },
    { command: long, meanwhile: replaceLogger },
  ],
};

function stop({ driver }: LaunchedPlugin, { id }: TaskConfig): Promise<unknown> {
  return driver.stopTask({ taskId: id, timeout: noTime, signal: "" });
}

/** Kills the task or its init from outside. */
async function kill({ driver }: LaunchedPlugin, { id }: TaskConfig, random: Random): Promise<void> {
  const { driver: status } = await driver.inspectTask({ taskId: id });
  const name = random.pick(["pid", "init_pid"]);
  process.kill(Number(status?.attributes.get(name) ?? status?.attributes.get("pid")), "SIGKILL");
}

async function killLogger(
  _plugin: LaunchedPlugin,
  _task: TaskConfig,
  _random: Random,
  { folder }: Allocation,
) {
  killLoggers(`${folder}/alloc/logs`);
}

/** Kills the logger, and stops the task once there is another one. */
async function replaceLogger(
  plugin: LaunchedPlugin,
  task: TaskConfig,
  _random: Random,
  { folder }: Allocation,
): Promise<void> {
  const logs = `${folder}/alloc/logs`;
  await until(() => loggersIn(logs).length === 1, "a logger works");
  const [killed] = loggersIn(logs);
  killLoggers(logs);
  await until(() => loggersIn(logs).some((pid) => pid !== killed), "another logger works");
  await stop(plugin, task);
}

async function commands(plugin: LaunchedPlugin, task: TaskConfig): Promise<void> {
  const { id } = task;
  for (const script of ["exit 2", "sleep 1000 & exit 0", "setsid sleep 1000 & exit 0"]) {
    await new ExecCall(plugin, id, ["sh", "-c", script]).closeInput().result;
  }
  await new ExecCall(plugin, id, ["sh", "-c", "tty"], { tty: true }).result;
  await new ExecCall(plugin, id, ["no-such-program"]).closeInput().result;
  await plugin.driver.execTask({ taskId: id, command: ["true"], timeout: { seconds: 20, nanos: 0 } });
  await stop(plugin, task);
}

/** Makes calls that the caller cancels, and commands that end with the task. */
async function openEndedCalls(plugin: LaunchedPlugin, task: TaskConfig): Promise<void> {
  const { id } = task;
  const cancelled = new ExecCall(plugin, id, ["sh", "-c", "echo up; exec sleep 1000"], { tty: true });
  await cancelled.shows("up");
  cancelled.cancel();
  const stats = plugin.driver.taskStats({ taskId: id, collectionInterval: { seconds: 1, nanos: 0 } });
  stats.on("error", () => undefined);
  await new Promise((resolve) => stats.once("data", resolve));
  stats.cancel();
  await new ExecCall(plugin, id, ["sh", "-c", "echo up; exec sleep 1000"]).shows("up");
  await stop(plugin, task);
}

/** Kills the plugin while tasks run. The next plugin recovers and ends them. */
async function crash(
  plugin: LaunchedPlugin,
  launch: () => Promise<LaunchedPlugin>,
  allocations: readonly Allocation[],
): Promise<LaunchedPlugin> {
  const handles: TaskHandle[] = [];
  for (const allocation of allocations) {
    const task = allocation.config(long);
    const { handle } = await plugin.driver.startTask({ task });
    await new ExecCall(plugin, task.id, ["sh", "-c", "sleep 1000 & echo up; wait"]).shows("up");
    if (handle) handles.push(handle);
  }
  process.kill(plugin.pid, "SIGKILL");
  await plugin.exited;
  plugin.disconnect();
  const next = await launch();
  for (const handle of handles) {
    const taskId = handle.config?.id ?? "";
    await next.driver.recoverTask({ taskId: "", handle });
    await next.driver.destroyTask({ taskId, force: true });
  }
  return next;
}

/**
 * Measures repeatedly until the footprint is as expected or no longer changes, because some processes end a
 * moment after their task.
 */
async function settled(measure: () => Footprint, expected?: Footprint): Promise<Footprint> {
  let last = measure();
  for (let attempt = 0; attempt < 20; attempt++) {
    if (expected && isDeepStrictEqual(last, expected)) return last;
    await delay(500);
    const next = measure();
    if (!expected && attempt > 2 && isDeepStrictEqual(last, next)) return next;
    last = next;
  }
  return last;
}
