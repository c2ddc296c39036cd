/** The built plugin, as benches launch and use it. */
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { TaskConfig } from "../src/grpc/generated/nomad/driver.ts";
import { type LaunchedPlugin, launchPlugin } from "../src/grpc/pluginClient.ts";
import type { Allocation } from "../test/support/agent/allocation.ts";
import { setConfig } from "../test/support/agent/requests.ts";
import { timed } from "./figures.ts";

export const built = join(import.meta.dirname, "../dist/plugin/nomad-driver-exec2");

/**
 * Installs a copy, as on a node. The build writes its file at once, into large folios of the page cache, and
 * newer kernels (Linux 6.18) map these as a whole. The plugin would then seem to use 25 MiB more.
 * @returns the path of the copy, below the folder
 */
export function install(folder: string): string {
  const plugins = join(folder, "plugins");
  execFileSync(built, ["install", "--plugin-dir", plugins, "--yes"], { stdio: "ignore" });
  return join(plugins, "nomad-driver-exec2");
}

/** Launches a plugin and configures it. @param options the plugin's options by their HCL names */
export async function launch(
  options: Readonly<Record<string, unknown>>,
  command: string = built,
): Promise<LaunchedPlugin> {
  const plugin = await launchPlugin({ command });
  await plugin.base.setConfig(setConfig(options));
  await plugin.driver.init({});
  return plugin;
}

export async function kill(plugin: LaunchedPlugin): Promise<void> {
  process.kill(plugin.pid, "SIGKILL");
  await plugin.exited;
  plugin.disconnect();
}

/** Starts, awaits and destroys a task. @returns milliseconds from StartTask to its answer */
export async function life({ driver }: LaunchedPlugin, task: TaskConfig): Promise<number> {
  const ms = await timed(() => driver.startTask({ task }));
  await driver.waitTask({ taskId: task.id });
  await driver.destroyTask({ taskId: task.id, force: true });
  return ms;
}

/** Runs a number of tasks, each for a whole {@link life}, one at a time in each allocation. */
export async function runLives(
  plugin: LaunchedPlugin,
  allocations: readonly Allocation[],
  lives: number,
): Promise<void> {
  let left = lives;
  const worker = async (allocation: Allocation) => {
    while (left-- > 0) await life(plugin, allocation.config({ command: "/bin/true" }));
  };
  await Promise.all(allocations.map(worker));
}

/**
 * Runs a task that writes a line.
 * @param options further options of the task
 * @returns milliseconds from StartTask to its answer, and to the task's first byte
 */
export async function firstByte(
  { driver }: LaunchedPlugin,
  allocation: Allocation,
  options: object = {},
): Promise<{ readonly answer: number; readonly firstByte: number }> {
  const text = `(${randomUUID()})`;
  const task = allocation.config({ command: "/bin/echo", args: [text], ...options });
  const begin = performance.now();
  const output = allocation.stdout.contains(text).then(() => performance.now() - begin);
  await driver.startTask({ task });
  const answer = performance.now() - begin;
  const written = await output;
  await driver.waitTask({ taskId: task.id });
  await driver.destroyTask({ taskId: task.id, force: true });
  return { answer, firstByte: written };
}
