/** The built plugin in the virtual machine. */
import { dirname, join } from "node:path";
import type { DriverTaskEvent } from "../../../src/grpc/generated/nomad/driver.ts";
import type { EventData, EventType } from "../../../src/machines/events.ts";
import { type Agent, startAgent } from "../../support/agent/agent.ts";
import { eventsOf } from "../../support/history/eventLog.ts";

export interface VmAgent extends Agent {
  /** The plugin's task events so far. */
  readonly messages: readonly DriverTaskEvent[];
}

/** MHz of a core in the topology that the tests' agents send. */
export const mhzPerCore = 4000;

/** The default limit of processes for a task. */
export const pidsLimit = 100;

/** The default swap limit of a task in MiB. Only one case turns on the host's swap. */
const swapLimit = 64;

/** The plugin's path. This file's bundle is in test-results/vm. */
export const plugin = join(dirname(process.argv[1] as string), "../../dist/plugin/nomad-driver-exec2");

let shared: Promise<VmAgent> | undefined;

/** The agent that most cases share, since a plugin takes seconds to start under emulation. */
export function sharedAgent(): Promise<VmAgent> {
  shared ??= startVmAgent({
    unveil_by_task: true,
    allow_host_root: true,
    allow_root: true,
    allow_caps: ["all"],
    allow_raised_ulimits: true,
    swap_limit: swapLimit,
    pids_limit: pidsLimit,
    allow_host_pid: true,
    allow_cgroup_delegate: true,
  });
  return shared;
}

export async function startVmAgent(
  options: Readonly<Record<string, unknown>>,
  stateDir?: string,
): Promise<VmAgent> {
  const agent = await startAgent({ entry: plugin, options, ...(stateDir !== undefined && { stateDir }) });
  const messages: DriverTaskEvent[] = [];
  agent.driver
    .taskEvents({})
    .on("data", (message: DriverTaskEvent) => messages.push(message))
    // The stream ends with the plugin.
    .on("error", () => undefined);
  return { ...agent, messages };
}

/** The data of a task's last event of this type. */
export async function eventData<T extends EventType>(
  { stateDir }: Agent,
  taskId: string,
  wanted: T,
): Promise<EventData<T>> {
  const event = (await eventsOf(stateDir, taskId)).findLast(({ type }) => type === wanted);
  if (event === undefined) throw new Error(`the log has no event ${wanted} of task ${taskId}`);
  return event.data as EventData<T>;
}
