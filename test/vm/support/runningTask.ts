/** A task that an agent has started, for the duration of a case. */
import type { Resources, TaskConfig, TaskHandle } from "../../../src/grpc/generated/nomad/driver.ts";
import { startTask } from "../../support/agent/agent.ts";
import {
  type Allocation,
  type AllocationOptions,
  type Command,
  type Differing,
  makeAllocation,
} from "../../support/agent/allocation.ts";
import { reserveSlice, shareSlice } from "./prepareGuest.ts";
import { onTestFinished } from "./runner.ts";
import { sharedAgent, type VmAgent } from "./vmAgent.ts";

export interface TaskOptions extends AllocationOptions {
  readonly command: Command;
  readonly limits?: Limits;
  readonly differing?: Differing;
  /** Default: the agent that most cases share. */
  readonly agent?: VmAgent;
}

export interface Limits {
  readonly cpuMhz?: number;
  readonly memoryMb?: number;
  readonly memoryMaxMb?: number;
  /** Linux list format. */
  readonly cores?: string;
}

export interface RunningTask {
  readonly agent: VmAgent;
  readonly allocation: Allocation;
  readonly config: TaskConfig;
  readonly handle: TaskHandle;
  /** Absolute path. */
  readonly cgroup: string;
}

/** Starts a task in the slice for its limits. */
export async function startVmTask(options: TaskOptions): Promise<RunningTask> {
  const { command, limits = {}, differing = {}, agent = await sharedAgent(), ...others } = options;
  const slice = limits.cores === undefined ? shareSlice : reserveSlice;
  const allocation = makeAllocation({ slice, ...others });
  const config = allocation.config(command, { resources: resourcesOf(allocation, limits), ...differing });
  const handle = await startTask(agent, config);
  onTestFinished(() => agent.driver.destroyTask({ taskId: config.id, force: true }));
  return { agent, allocation, config, handle, cgroup: allocation.cgroup.path };
}

/** The message that an agent sends for a job's resources block. */
export function resourcesOf(allocation: Allocation, limits: Limits): Resources {
  const { cpuMhz = 4000, memoryMb = 128, memoryMaxMb = 0, cores = "" } = limits;
  const resources = allocation.resources();
  return {
    ...resources,
    allocatedResources: {
      cpu: { cpuShares: cpuMhz },
      memory: { memoryMb, memoryMaxMb },
      networks: [],
    },
    linuxResources: resources.linuxResources && {
      ...resources.linuxResources,
      cpuShares: cpuMhz,
      cpusetCpus: cores,
      memoryLimitBytes: Math.max(memoryMb, memoryMaxMb) << 20,
    },
  };
}
