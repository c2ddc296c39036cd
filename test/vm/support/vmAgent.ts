/** The plugin in the virtual machine: the built one, as it is installed. */
import { dirname, join } from "node:path";
import type { DriverTaskEvent } from "../../../src/grpc/generated/nomad/driver.ts";
import type { EventData, EventType } from "../../../src/machines/events.ts";
import { type Agent, startAgent } from "../../support/agent/agent.ts";
import { eventsOf } from "../../support/history/eventLog.ts";

export interface VmAgent extends Agent {
  /** What the plugin has told of its tasks so far. */
  readonly messages: readonly DriverTaskEvent[];
}

/** MHz of a core by the topology that agents of tests send. */
export const mhzPerCore = 4000;

/** What a task may have at once where its job asks for nothing else. */
export const pidsLimit = 100;

/** MiB of swap that a task may have where its job asks for nothing else; only one case has the host swap. */
const swapLimit = 64;

/** From test-results/vm, where this is bundled to. */
const plugin = join(dirname(process.argv[1] as string), "../../dist/plugin/nomad-driver-exec2");

let shared: Promise<VmAgent> | undefined;

/** The agent of most cases, since a plugin takes seconds to come up under emulation. */
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
    // It ends with the plugin.
    .on("error", () => undefined);
  return { ...agent, messages };
}

/** What the log has as the last event of a kind. */
export async function eventData<T extends EventType>(
  { stateDir }: Agent,
  taskId: string,
  wanted: T,
): Promise<EventData<T>> {
  const event = (await eventsOf(stateDir, taskId)).findLast(({ type }) => type === wanted);
  if (event === undefined) throw new Error(`the log has no event ${wanted} of task ${taskId}`);
  return event.data as EventData<T>;
}
