/** Whole lives of tasks. */
import type { LaunchedPlugin } from "../src/grpc/pluginClient.ts";
import type { Allocation } from "../test/support/agent/allocation.ts";

/** Starts, awaits and destroys tasks, one at a time in each allocation. @param lives the number of tasks */
export async function live(
  { driver }: LaunchedPlugin,
  allocations: readonly Allocation[],
  lives: number,
): Promise<void> {
  let left = lives;
  const worker = async (allocation: Allocation) => {
    while (left-- > 0) {
      const task = allocation.config({ command: "/bin/true" });
      await driver.startTask({ task });
      await driver.waitTask({ taskId: task.id });
      await driver.destroyTask({ taskId: task.id, force: true });
    }
  };
  await Promise.all(allocations.map(worker));
}
