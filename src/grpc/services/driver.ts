/**
 * The gRPC service hashicorp.nomad.plugins.drivers.proto.Driver. Its calls for commands in tasks are in
 * exec.ts. A method without a handler is answered with UNIMPLEMENTED.
 */

import { DriverError, messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/hclog.ts";
import { Secrets } from "../../base/masking.ts";
import { toTaskId } from "../../base/taskId.ts";
import type { PluginOptions } from "../../driver/options/pluginOptions.ts";
import type { TaskOptions } from "../../effects/parts.ts";
import {
  capabilitiesOf,
  exitOf,
  fingerprintOf,
  inspectionOf,
  startedOf,
  taskEventOf,
  taskStatsOf,
} from "../convert/answers.ts";
import { environmentProblem, optionsProblem } from "../convert/environmentBounds.ts";
import { requestOf } from "../convert/requests.ts";
import { msOf } from "../convert/time.ts";
import { type DriverSlot, loadOptions } from "../driverSlot.ts";
import type { DriverServer, TaskConfig, TaskHandle } from "../generated/nomad/driver.ts";
import type { Handlers } from "../handlers.ts";
import type { SettledTask } from "../options.ts";
import { stopReasonIn } from "../stopReason.ts";
import { execHandlers } from "./exec.ts";

export function driverService(handlers: Handlers, slot: DriverSlot, log: Logger): Partial<DriverServer> {
  return {
    ...nodeHandlers(handlers, slot),
    ...taskHandlers(handlers, slot, log),
    ...execHandlers(handlers, slot),
  };
}

/** The calls about the driver and its node. */
function nodeHandlers({ unary, stream }: Handlers, slot: DriverSlot) {
  return {
    init: unary(async () => {
      await slot.agentArrived();
      return {};
    }),

    // Does nothing: go-plugin's own shutdown follows, and tasks keep running in any case.
    shutdown: unary(() => ({})),

    taskConfigSchema: unary(async () => ({ spec: (await loadOptions()).taskSpec() })),

    capabilities: unary(async () => ({ capabilities: capabilitiesOf((await slot.driver).capabilities()) })),

    fingerprint: stream(
      async () => (await slot.driver).fingerprints(),
      fingerprintOf,
      ({ error }) => error,
    ),
  } satisfies Partial<DriverServer>;
}

/** The calls about tasks. */
function taskHandlers({ unary, stream }: Handlers, slot: DriverSlot, log: Logger) {
  return {
    startTask: unary(async ({ task }, signal) => {
      if (task === undefined) throw new DriverError("CONFIG_INVALID", "the request holds no task");
      try {
        const { options: plugin, driver } = slot;
        const settled = await settledForStart(task, plugin);
        return startedOf(task, await (await driver).startTask({ ...requestOf(task), ...settled }, signal));
      } catch (thrown) {
        const { endLogs } = await import("../../effects/logs/logPipes.ts");
        endLogs(task);
        throw withoutSecrets(thrown, task);
      }
    }),

    recoverTask: unary(async ({ taskId, handle: received }) => {
      const { config, driverState } = checkHandle(received);
      const driver = await slot.driver;
      const options = await recoveredOptions(config, slot.options, log);
      const { stdoutPath, stderrPath, allocDir } = config;
      const handle = {
        // Agents leave the request's own id unset.
        taskId: toTaskId(taskId || config.id),
        driverState,
        get request() {
          return { ...requestOf(config), output: { to: "agent" } as const, options: options() };
        },
      };
      await driver.recoverTask(handle, { stdoutPath, stderrPath, allocDir });
      // Most recoveries need only the event log, so the answer does not wait for the options. They are
      // checked afterwards, only to log a warning.
      setImmediate(options);
      return {};
    }),

    waitTask: unary(
      async ({ taskId }, signal) => {
        const exit = await (await slot.driver).waitTask(toTaskId(taskId), signal);
        return { result: exitOf(exit), err: exit.error ?? "" };
      },
      { waits: true },
    ),

    stopTask: unary(async ({ taskId, timeout, signal }, _, metadata) => {
      const reason = stopReasonIn(metadata);
      await (await slot.driver).stopTask(toTaskId(taskId), msOf(timeout), signal, reason);
      return {};
    }),

    destroyTask: unary(async ({ taskId, force }) => {
      await (await slot.driver).destroyTask(toTaskId(taskId), force);
      return {};
    }),

    inspectTask: unary(async ({ taskId }) =>
      inspectionOf(await (await slot.driver).inspectTask(toTaskId(taskId))),
    ),

    signalTask: unary(async ({ taskId, signal }) => {
      await (await slot.driver).signalTask(toTaskId(taskId), signal);
      return {};
    }),

    taskStats: stream(
      async ({ taskId, collectionInterval }) =>
        (await slot.driver).taskStats(toTaskId(taskId), msOf(collectionInterval)),
      (usage, { taskId }) => ({ stats: taskStatsOf(taskId, usage) }),
    ),

    taskEvents: stream(async () => (await slot.driver).taskEvents(), taskEventOf),
  } satisfies Partial<DriverServer>;
}

/** The task's options, and where its output goes. An error about them also goes to the task's own log. */
async function settledForStart(config: TaskConfig, plugin: PluginOptions): Promise<SettledTask> {
  try {
    const problem =
      environmentProblem([config.deviceEnv, config.env]) ?? optionsProblem(config.msgpackDriverConfig);
    if (problem !== undefined) throw problem;
    return (await loadOptions()).settleTask(config, plugin);
  } catch (thrown) {
    const error = withoutSecrets(
      DriverError.from(thrown, "CONFIG_INVALID", "the task's options cannot be read"),
      config,
    );
    const { logStartError } = await import("../../effects/logs/logPipes.ts");
    logStartError(
      config.stderrPath,
      config.allocDir,
      error,
      plugin.logCollection === "agent" ? "agent" : "files",
    );
    throw error;
  }
}

/**
 * An error may quote options, and a job interpolates variables into these. Of a task with too large an environment,
 * whose values would take too long to be found, there is no other error.
 */
function withoutSecrets<Thrown>(thrown: Thrown, { deviceEnv, env }: TaskConfig): Thrown | DriverError {
  if (!(thrown instanceof DriverError)) return thrown;
  const problem = environmentProblem([deviceEnv, env]);
  if (problem !== undefined) return problem;
  return new Secrets(Object.fromEntries([...deviceEnv, ...env]), true).maskError(thrown);
}

/**
 * A function that reads the options of a recovered task, once. It returns undefined if the agent has lost the
 * options, or if the current configuration refuses them: a running task is taken over anyway.
 */
async function recoveredOptions(
  config: TaskConfig,
  plugin: PluginOptions,
  log: Logger,
): Promise<() => TaskOptions | undefined> {
  const { readTaskOptions } = await loadOptions();
  // A restarted agent has lost the options.
  let isRead = config.msgpackDriverConfig.length === 0;
  let options: TaskOptions | undefined;
  return () => {
    if (isRead) return options;
    isRead = true;
    try {
      options = readTaskOptions(config.msgpackDriverConfig, plugin);
    } catch (thrown) {
      log.warn("recovered a task whose options are no longer valid", {
        task_id: config.id,
        error: messageOf(thrown),
      });
    }
    return options;
  };
}

function checkHandle(handle: TaskHandle | undefined): TaskHandle & { config: TaskConfig } {
  const { config } = handle ?? {};
  if (handle !== undefined && config?.id) return { ...handle, config };
  throw new DriverError("HANDLE_INVALID", "the handle names no task", {
    hint: "Nomad will destroy the task and start it anew",
  });
}
