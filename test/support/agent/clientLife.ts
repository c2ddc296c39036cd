/** A task's life in the calls that a client makes, over a restart of the client. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { ExitResult, TaskStatsResponse } from "../../../src/grpc/generated/nomad/driver.ts";
import { until } from "../host/until.ts";
import { runFoldersIn } from "../plugin/pluginTraces.ts";
import { type Agent, pidOf, startTask, waitTask } from "./agent.ts";
import type { Allocation, Command, Differing } from "./allocation.ts";
import { execScript } from "./execCall.ts";

/**
 * A script that ends with 5 if it gets the usual signal, and with 6 if its stop command has left a file. It waits
 * without a limit, as services do.
 */
export const servingScript =
  "trap 'exit 5' INT; until [ -e \"$NOMAD_TASK_DIR/stop\" ]; do sleep 0.1 & wait; done; exit 6";

export interface ClientLife {
  readonly allocation: Allocation;
  readonly command: Command;
  readonly differing?: Differing;
  /** Launches a plugin, the second time with the state folder of the first one. */
  readonly launch: (stateDir?: string) => Promise<Agent>;
  /** Called while the second plugin has the task. */
  readonly whileRunning?: (agent: Agent, taskId: string) => Promise<void>;
}

/**
 * Starts the task, restarts the client, recovers the task, reads its usage, runs a command, stops it, waits for it,
 * removes its cgroup in one attempt, and destroys it. Checks each answer as strictly as a client does.
 * @returns how the task ended
 */
export async function liveAsClientCalls({
  allocation,
  command,
  differing,
  launch,
  whileRunning,
}: ClientLife): Promise<ExitResult> {
  const first = await launch();
  const config = allocation.config(command, differing);
  const taskId = config.id;
  const handle = await startTask(first, config);
  const pid = await pidOf(first, config);
  await first.crash();
  const next = await launch(first.stateDir);
  assert.deepEqual(await next.driver.recoverTask({ taskId: "", handle }), {});
  assert.equal(await pidOf(next, config), pid);
  const ended = waitTask(next, config);
  // Another call may fail first.
  ended.catch(() => undefined);
  const stats = next.driver.taskStats({ taskId, collectionInterval: { seconds: 1, nanos: 0 } });
  stats.on("error", () => undefined);
  const [usage] = (await once(stats, "data")) as [TaskStatsResponse];
  assert.ok(usage.stats?.aggResourceUsage !== undefined);
  stats.cancel();
  const { result } = await execScript(next, taskId, "exit 4");
  assert.partialDeepStrictEqual(await result, { exitCode: 4 });
  await whileRunning?.(next, taskId);
  assert.deepEqual(
    await next.driver.stopTask({ taskId, timeout: { seconds: 600, nanos: 0 }, signal: "SIGINT" }),
    {},
  );
  const exit = await ended;
  allocation.cgroup.removeAsAgent();
  assert.deepEqual(await next.driver.destroyTask({ taskId, force: true }), {});
  await assert.rejects(next.driver.inspectTask({ taskId }), /task not found/);
  await until(() => runFoldersIn(next.stateDir).length === 0, "the run's folder is removed");
  return exit;
}
