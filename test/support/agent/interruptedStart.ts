/** A start during which the plugin is killed. */
import { status } from "@grpc/grpc-js";
import { expect } from "vitest";
import type { TaskConfig } from "../../../src/grpc/generated/nomad/driver.ts";
import { eventsOf } from "../history/eventLog.ts";
import { eventually } from "../host/eventually.ts";
import { type Agent, startTask } from "./agent.ts";
import type { Allocation } from "./allocation.ts";

/**
 * Kills the plugin while it starts a task, and leaves the run's processes frozen. They go on once the test
 * thaws the allocation's cgroup.
 */
export async function interruptStart(
  agent: Agent,
  { cgroup }: Allocation,
  config: TaskConfig,
): Promise<void> {
  // A process that starts in a frozen cgroup waits until the cgroup is thawed.
  cgroup.freeze();
  const refused = expect(startTask(agent, config)).rejects.toMatchObject({ code: status.UNAVAILABLE });
  const stored = async () => (await eventsOf(agent.stateDir, config.id)).at(-1)?.type;
  await eventually(async () => expect(await stored()).toBe("fingerprinted"));
  await eventually(() => expect(cgroup.isEmpty()).toBe(false));
  await agent.crash();
  await refused;
}
