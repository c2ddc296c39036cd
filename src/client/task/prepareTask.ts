/** Prepares what a task needs before the driver starts it: its files, cgroup and log pipe readers. */
import type { Socket } from "node:net";
import type { TaskConfig } from "../../grpc/generated/nomad/driver.ts";
import type { Task } from "../../jobspec/job.ts";
import type { Allocation } from "../allocation/allocation.ts";
import { makeScope, removeScope } from "../allocation/cgroupScope.ts";
import { collectsLogs } from "../plugin/clientRules.ts";
import { openLogReader } from "./logReader.ts";
import { type DriverFacts, type Placement, placeTask } from "./placeTask.ts";

export interface PreparedTask {
  readonly task: Task;
  readonly message: TaskConfig;
  readonly cgroup: string;
  /** Undefined if the job or the driver disables logs. */
  readonly output: { readonly stdout: Socket; readonly stderr: Socket } | undefined;
}

/** Called for the whole group before any task starts, so that no task can tamper with another's files. */
export async function prepareTask(
  placement: Placement,
  driver: DriverFacts,
  allocation: Allocation,
  task: Task,
): Promise<PreparedTask> {
  const message = await placeTask(placement, driver, allocation, task);
  const collects = !task.logsDisabled && collectsLogs(driver.capabilities);
  const cgroup = await makeScope(allocation.id, task.name);
  try {
    return { task, message, cgroup, output: collects ? openOutput(message) : undefined };
  } catch (thrown) {
    await removeScope(cgroup);
    throw thrown;
  }
}

function openOutput({ stdoutPath, stderrPath }: TaskConfig): PreparedTask["output"] {
  return { stdout: openLogReader(stdoutPath), stderr: openLogReader(stderrPath) };
}
