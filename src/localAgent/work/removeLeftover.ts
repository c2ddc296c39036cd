/** Ends the tasks that a killed run left behind, and removes the run's cgroups and folders. */
import { existsSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { DriverError } from "../../base/errors.ts";
import { readNodeTopology } from "../../effects/cgroup/nodeCores.ts";
import { readTaskEnviron } from "../../effects/exec/taskEnviron.ts";
import { isSameProcess, readStat } from "../../effects/processes/processIdentity.ts";
import type { Callers } from "../../grpc/callers.ts";
import type { DriverService } from "../../grpc/generated/nomad/driver.ts";
import { runOfPlugin } from "../../grpc/lifeline.ts";
import { connectPlugin } from "../../grpc/pluginClient.ts";
import { openPluginSocket, type PluginSocket, pluginOf } from "../../store/folder/pluginAddress.ts";
import { stateFolderPaths } from "../../store/folder/stateFolder.ts";
import { openEventReader } from "../../store/lmdb/eventReader.ts";
import { removeScope, takeScope } from "../allocation/cgroupScope.ts";
import { answered, PluginSession } from "../plugin/pluginSession.ts";
import { allocationsIn, type Leftover } from "./leftovers.ts";
import { removeWorkFolder, takeAbandonedWork } from "./workFolder.ts";

/** Time from a plugin's SIGTERM to its SIGKILL, in milliseconds. */
const pluginEndMs = 3_000;

/**
 * Removes what a killed run left behind. A plugin ends the tasks, so that their histories record the end.
 * @param onPluginError called if the plugin fails; the tasks are killed in any case
 * @returns false if another process is already removing the leftover
 * @throws DriverError if a cgroup or folder cannot be removed
 */
export async function removeLeftover(
  { work, keep, scopes }: Leftover,
  onPluginError: (thrown: unknown) => void,
): Promise<boolean> {
  using taken = new DisposableStack();
  const abandoned = work === undefined ? undefined : takeAbandonedWork(work);
  if (abandoned !== undefined) taken.defer(abandoned.release);
  else if (work !== undefined) return false;
  for (const scope of scopes) {
    const held = takeScope(scope);
    if (held === undefined) return false;
    taken.defer(held.release);
  }
  const stateFolder = abandoned?.record?.stateFolder;
  if (work !== undefined && stateFolder) await endTasks(work, stateFolder).catch(onPluginError);
  for (const { path } of scopes) await removeScope(path);
  if (work !== undefined && !keep) await remove(work);
  return true;
}

async function remove(work: string): Promise<void> {
  try {
    await removeWorkFolder(work);
  } catch (thrown) {
    throw DriverError.from(thrown, "RUN_FOLDER_UNUSABLE", `the run's folder ${work} cannot be removed`);
  }
}

/** Ends all tasks of the run that are in its log. */
async function endTasks(work: string, stateFolder: string): Promise<void> {
  await endPluginOf(work, stateFolder);
  const tasks = await tasksOf(allocationsIn(work), stateFolder);
  if (tasks.length === 0) return;
  // Another run may have taken over the state folder: its plugin then ends the tasks.
  if (pluginOf(stateFolder) !== undefined) return destroyBy(openPluginSocket(stateFolder), tasks);
  const session = await PluginSession.start({
    config: {},
    topology: readNodeTopology(),
    stateFolder: { path: stateFolder, next: () => false },
  });
  await destroy(tasks, session.plugin.driver).finally(() => session.close());
}

/** Ends these tasks. The plugin has recovered those that are still running. */
async function destroy(tasks: readonly string[], driver: Callers<DriverService>): Promise<void> {
  for (const taskId of tasks) await answered(driver.destroyTask({ taskId, force: true }));
}

async function destroyBy(socket: PluginSocket, tasks: readonly string[]): Promise<void> {
  const plugin = connectPlugin(socket.path);
  try {
    await destroy(tasks, plugin.driver);
  } finally {
    plugin.disconnect();
    socket.close();
  }
}

/** Ids of the tasks of some allocations, from the log in a state folder. */
async function tasksOf(allocations: readonly string[], stateFolder: string): Promise<string[]> {
  const { events } = stateFolderPaths(stateFolder);
  if (!existsSync(events)) return [];
  const reader = await openEventReader(events);
  try {
    return allocations.flatMap((id) => [...reader.streams(`${id}/`)].map(({ stream }) => stream));
  } finally {
    await reader.close();
  }
}

/** Ends the run's plugin, and waits until it has ended. */
async function endPluginOf(work: string, stateFolder: string): Promise<void> {
  const pid = pluginOf(stateFolder);
  const stat = pid === undefined ? undefined : readStat(pid);
  if (pid === undefined || stat === undefined) return;
  const plugin = { pid, startTicks: stat.startTicks };
  if (runOfPlugin(readTaskEnviron(plugin)) !== work) return;
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    if (!isSameProcess(plugin)) return;
    process.kill(pid, signal);
    const deadline = performance.now() + pluginEndMs;
    // Node waits only for its own child processes, so this process has to poll.
    while (isSameProcess(plugin) && performance.now() < deadline) await delay(20);
  }
}
