/**
 * An agent with its own plugin process: the real plugin, launched, configured and ended as agents do. Needs
 * root.
 */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import type { ExitResult, TaskConfig, TaskHandle } from "../../../src/grpc/generated/nomad/driver.ts";
import type { PluginConnection } from "../../../src/grpc/pluginClient.ts";
import { onFileFinished } from "../fileEnd.ts";
import { persistentFolders } from "../host/temporaryFolder.ts";
import { type StartedPlugin, type StartOptions, startPlugin } from "../plugin/startPlugin.ts";
import { type Allocation, type Command, makeAllocation } from "./allocation.ts";
import { setConfig } from "./requests.ts";
import { prepareStart, stopLogs } from "./taskClient.ts";

export interface Agent extends StartedPlugin {
  readonly stateDir: string;
  /** Kills the plugin. Its tasks keep running. */
  crash(): Promise<void>;
}

export interface AgentOptions extends StartOptions {
  /** Default: a new path, where the plugin creates the folder. */
  readonly stateDir?: string;
  /** The plugin's options in addition to `state_dir`. */
  readonly options?: Readonly<Record<string, unknown>>;
}

/** Launches and configures a plugin, which ends with the test file. */
export async function startAgent(options: AgentOptions = {}): Promise<Agent> {
  const { stateDir = newStateDir(), options: pluginOptions = {}, ...startOptions } = options;
  const plugin = await startPlugin(startOptions);
  const crash = async () => {
    process.kill(plugin.pid, "SIGKILL");
    await plugin.exited;
    plugin.disconnect();
  };
  const agent = { ...plugin, stateDir, crash };
  onFileFinished(() => agent.close());
  await plugin.base.setConfig(setConfig({ ...pluginOptions, state_dir: stateDir }));
  await plugin.driver.init({});
  return agent;
}

/** A path for a state folder, which is removed when the test file ends. */
export function newStateDir(): string {
  const folder = mkdtempSync(`${persistentFolders}/exec2-state-`);
  chmodSync(folder, 0o711);
  onFileFinished(() => rmSync(folder, { recursive: true }));
  return `${folder}/state`;
}

/** Starts a task as an agent does, according to the driver's capabilities. */
export async function startTask({ driver }: PluginConnection, task: TaskConfig): Promise<TaskHandle> {
  const prepared = await prepareStart(driver, task);
  try {
    const { handle } = await driver.startTask({ task: prepared });
    if (handle === undefined) throw new Error(`task ${task.id} was started without a handle`);
    return handle;
  } catch (thrown) {
    await stopLogs(task);
    throw thrown;
  }
}

/** A task that an agent has started. */
export interface StartedTask {
  readonly allocation: Allocation;
  readonly config: TaskConfig;
  readonly handle: TaskHandle;
  /** The host's pid of the main process. */
  readonly pid: number;
}

/** Starts a task in an allocation of its own. */
export async function startedTask(
  plugin: PluginConnection,
  command: Command,
  allocation = makeAllocation(),
): Promise<StartedTask> {
  const config = allocation.config(command);
  const handle = await startTask(plugin, config);
  return { allocation, config, handle, pid: await pidOf(plugin, config) };
}

/** Starts a task that prints "up" once it is ready, and waits until it has done so. */
export async function readyTask(
  plugin: PluginConnection,
  command: Command,
  allocation?: Allocation,
): Promise<StartedTask> {
  const task = await startedTask(plugin, command, allocation);
  await task.allocation.stdout.contains("up\n");
  return task;
}

/** The part of a handle that a restarted agent still has. */
export function withoutOptions(handle: TaskHandle): TaskHandle {
  if (handle.config === undefined) throw new Error("a handle without config");
  return { ...handle, config: { ...handle.config, msgpackDriverConfig: Buffer.alloc(0) } };
}

/** Waits until a task has ended, and returns how it ended. */
export async function waitTask({ driver }: PluginConnection, { id }: { id: string }): Promise<ExitResult> {
  const { result, err } = await driver.waitTask({ taskId: id });
  // An end that is known may come with a message on its cause.
  if (result === undefined || result.exitCode < 0) throw new Error(`waiting for task ${id} failed: ${err}`);
  return result;
}

/** Starts a task, waits for its end and destroys it, as an agent does. */
export async function runTask(plugin: PluginConnection, task: TaskConfig): Promise<ExitResult> {
  await startTask(plugin, task);
  const result = await waitTask(plugin, task);
  await plugin.driver.destroyTask({ taskId: task.id, force: true });
  await stopLogs(task);
  return result;
}

/** The host's pid of a running task's main process. */
export async function pidOf({ driver }: PluginConnection, { id }: { id: string }): Promise<number> {
  const { driver: status } = await driver.inspectTask({ taskId: id });
  return Number(status?.attributes.get("pid"));
}
