/** Prepares what a task needs before the driver starts it: its files, cgroup, log pipe readers and log files. */
import type { Socket } from "node:net";
import { dirname } from "node:path";
import type { TaskConfig } from "../../grpc/generated/nomad/driver.ts";
import type { Task } from "../../jobspec/job.ts";
import { type Allocation, taskLabel } from "../allocation/allocation.ts";
import { makeScope, removeScope } from "../allocation/cgroupScope.ts";
import { collectsLogs } from "../plugin/clientRules.ts";
import { LogFile } from "./logFile.ts";
import { openLogReader } from "./logReader.ts";
import { type DriverFacts, newTaskId, type Placement, placeTask } from "./placeTask.ts";

export interface PreparedTask {
  readonly task: Task;
  /** Its label in the run's output, such as `web` or `web[1]`. */
  readonly label: string;
  readonly message: TaskConfig;
  readonly cgroup: string;
  /** The task's output; undefined if the job or the driver disables logs. */
  readonly output: Streams<Socket> | undefined;
  /** The files in which the output is kept; undefined without output. */
  readonly logs: Streams<LogFile> | undefined;
}

interface Streams<T> {
  readonly stdout: T;
  readonly stderr: T;
}

/**
 * Prepares a task. To be called for the whole group before any task starts, so that no task can tamper with
 * another's files.
 */
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
    const output = collects ? openOutput(message) : undefined;
    const label = taskLabel(allocation.group, allocation.index, task.name);
    return { task, label, message, cgroup, output, logs: collects ? openLogs(message) : undefined };
  } catch (thrown) {
    await removeScope(cgroup);
    throw thrown;
  }
}

/** Prepares a task for another run. The task keeps its cgroup, folders and log files. */
export function prepareAgain(prepared: PreparedTask): PreparedTask {
  const { message, output } = prepared;
  return {
    ...prepared,
    message: { ...message, id: newTaskId(message.allocId, message.name) },
    output: output && openOutput(message),
  };
}

function openOutput({ stdoutPath, stderrPath }: TaskConfig): Streams<Socket> {
  return { stdout: openLogReader(stdoutPath), stderr: openLogReader(stderrPath) };
}

function openLogs({ name, stdoutPath }: TaskConfig): Streams<LogFile> {
  const folder = dirname(stdoutPath);
  return { stdout: new LogFile(folder, `${name}.stdout`), stderr: new LogFile(folder, `${name}.stderr`) };
}
