/** Prepares a task as a Nomad client does before it calls StartTask, according to the driver's answers. */

import {
  DriverCapabilities,
  NetworkIsolationSpec_NetworkIsolationMode as NetworkMode,
  type TaskConfig,
} from "../../../src/grpc/generated/nomad/driver.ts";
import type { PluginConnection } from "../../../src/grpc/pluginClient.ts";
import {
  collectsLogs,
  hasDynamicUsers,
  pathsInTask,
  refuseUnsupported,
} from "../../../src/localAgent/plugin/clientRules.ts";
import { PipeReader } from "../host/pipeReader.ts";

type DriverCalls = Pick<PluginConnection["driver"], "capabilities" | "taskConfigSchema">;

/**
 * @returns the task config that the client would send
 * @throws Error if the client would fail the allocation instead
 */
export async function prepareStart(driver: DriverCalls, task: TaskConfig): Promise<TaskConfig> {
  await driver.taskConfigSchema({});
  const { capabilities = DriverCapabilities.decode(new Uint8Array()) } = await driver.capabilities({});
  refuseUnsupported(capabilities, {
    networkMode: task.networkIsolationSpec?.mode ?? NetworkMode.HOST,
    // No client sends a host name to this driver. Some tests do, to test the driver's handling.
    hostname: false,
    volumes: task.mounts.length > 0,
  });
  if (collectsLogs(capabilities)) collectLogs(task);
  return asSent(capabilities, task);
}

/** Begins to collect a task's logs: before a start, and after a recovery if the collector has ended. */
export function collectLogs(task: TaskConfig): void {
  for (const pipe of logsOf(task)) pipe.start();
}

/**
 * Stops collecting a task's logs, as the client does before the end of a task is final.
 * @returns the pipes at which the client has waited in vain
 */
export async function stopLogs(task: TaskConfig): Promise<string[]> {
  const late = await Promise.all(
    logsOf(task).map(async (pipe) => ((await pipe.endedInTime()) ? [] : [pipe.path])),
  );
  return late.flat();
}

function logsOf({ stdoutPath, stderrPath }: TaskConfig): PipeReader[] {
  return [stdoutPath, stderrPath].flatMap((path) => PipeReader.at(path) ?? []);
}

/** The config with the user and the folders that the client would set. */
function asSent(capabilities: DriverCapabilities, task: TaskConfig): TaskConfig {
  const { NOMAD_ALLOC_DIR = "", NOMAD_TASK_DIR = "", NOMAD_SECRETS_DIR = "" } = Object.fromEntries(task.env);
  const onHost = { alloc: NOMAD_ALLOC_DIR, task: NOMAD_TASK_DIR, secrets: NOMAD_SECRETS_DIR };
  const inTask = pathsInTask(capabilities, onHost);
  const fromPool = /^nomad-8\d{4}$/.test(task.user);
  return {
    ...task,
    user: fromPool && !hasDynamicUsers(capabilities) ? "" : task.user,
    env:
      inTask === onHost
        ? task.env
        : new Map([
            ...task.env,
            ["NOMAD_ALLOC_DIR", inTask.alloc],
            ["NOMAD_TASK_DIR", inTask.task],
            ["NOMAD_SECRETS_DIR", inTask.secrets],
          ]),
  };
}
