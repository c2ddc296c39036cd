/** A running task that a person names, a connection to its plugin, and requests to its local run. */
import { dirname } from "node:path";
import { DriverError } from "../../base/errors.ts";
import { parseSignal, signalName } from "../../base/signalNames.ts";
import { allocationOf, shortId } from "../../base/taskId.ts";
import type { PluginConnection } from "../../grpc/pluginClient.ts";
import { readHistory } from "../../history/replay/storedHistory.ts";
import type { RunRequest } from "../../localAgent/work/runControl.ts";
import { suspendedRun } from "../../localAgent/work/workFolder.ts";
import type { TaskEvent } from "../../machines/events.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import { openPluginSocket } from "../../store/folder/pluginAddress.ts";
import { isLocal } from "../../store/folder/stateFolder.ts";
import { visible } from "../../units/visible.ts";
import { EventLogs } from "../histories/eventLogs.ts";
import { foldReadable, readable } from "../histories/readHistory.ts";
import { requireRoot } from "../requireRoot.ts";
import { printNote } from "../terminal/output.ts";

export interface RunningTask {
  readonly id: string;
  /** The state folder of its plugin. */
  readonly stateFolder: string;
  readonly context: TaskContext;
  /** Those that this version of the driver can read. */
  readonly events: readonly TaskEvent[];
}

/**
 * @param name the task's name, the start of its allocation's id, both, or the task's whole id
 * @param whyRoot why the verb needs root; only for the error
 * @throws DriverError `USER_FORBIDDEN`; `TASK_NOT_FOUND` if the name matches no running task, or several
 */
export async function findRunningTask(
  stateDir: string,
  name: string,
  whyRoot = "the driver's plugin accepts root only",
): Promise<RunningTask> {
  requireRoot(whyRoot);
  await using logs = await EventLogs.open(stateDir);
  const run = logs.findRunning(name);
  const history = readHistory(run.reader, run.id);
  const { context } = foldReadable(history);
  const events = history.flatMap((event) => readable(event) ?? []);
  return { id: run.id, stateFolder: logs.stateFolderOf(run) ?? stateDir, context, events };
}

export interface ConnectedTask {
  readonly id: string;
  readonly plugin: PluginConnection;
  /** Closes the connection. The task keeps running. */
  close(): void;
}

/** @throws DriverError as {@link findRunningTask}, and `PLUGIN_FAILED` if the task's plugin does not run */
export async function connectTask(stateDir: string, name: string): Promise<ConnectedTask> {
  const { id, stateFolder } = await findRunningTask(stateDir, name);
  return { id, ...(await connectTo(stateFolder)) };
}

/** @throws DriverError `PLUGIN_FAILED` if no plugin runs with the state folder */
export async function connectTo(stateFolder: string): Promise<Omit<ConnectedTask, "id">> {
  // Loaded on demand: the other verbs for running tasks need no gRPC.
  const { connectPlugin } = await import("../../grpc/pluginClient.ts");
  const socket = openPluginSocket(stateFolder);
  const plugin = connectPlugin(socket.path);
  const close = () => {
    plugin.disconnect();
    socket.close();
  };
  return { plugin, close };
}

export interface StopOptions {
  /** Undefined means the task's `kill_signal`. */
  readonly signal: string | undefined;
  /** Undefined means the task's `kill_timeout`. */
  readonly timeoutMs: number | undefined;
}

/**
 * Stops a task of a local run, and waits for the task's end.
 * @returns the exit code
 * @throws DriverError as {@link findRunningTask}; `SIGNAL_UNKNOWN`, `UNSUPPORTED`, `PLUGIN_FAILED`
 */
export async function stopTask(
  stateDir: string,
  name: string,
  { signal, timeoutMs }: StopOptions,
): Promise<number> {
  const sent = signal === undefined ? undefined : signalName(parseSignal(signal));
  return askRunOf(stateDir, name, "stop", (id) => ({ stop: id, signal: sent, timeoutMs }));
}

/**
 * Stops a task of a local run and starts the task again.
 * @returns the exit code
 * @throws DriverError as {@link findRunningTask}; `UNSUPPORTED`, `PLUGIN_FAILED`, the error of the new start
 */
export async function restartTask(stateDir: string, name: string): Promise<number> {
  return askRunOf(stateDir, name, "restart", (id) => ({ restart: id }));
}

/**
 * Sends a request to the run of a task.
 * @param verb the verb of `nomad alloc` that the error suggests for a task of an agent
 * @throws DriverError `UNSUPPORTED` for a task of an agent, because the agent would start the task again
 */
async function askRunOf(
  stateDir: string,
  name: string,
  verb: string,
  request: (id: string) => RunRequest,
): Promise<number> {
  const { id, stateFolder, context } = await findRunningTask(stateDir, name);
  if (!isLocal(stateFolder)) {
    throw new DriverError("UNSUPPORTED", `task ${name} belongs to a Nomad agent`, {
      hint: `Use nomad alloc ${verb} ${shortId(allocationOf(id))}`,
    });
  }
  const { askRun } = await import("../../localAgent/work/runControl.ts");
  // An allocation's folder is <work>/alloc/<id>.
  const work = dirname(dirname(context.request?.allocDir ?? ""));
  const suspended = suspendedRun(work);
  if (suspended !== undefined)
    printNote(
      `waiting for the run of task ${visible(name)}: its process ${suspended} is suspended. To continue it: fg in its terminal, or kill -CONT ${suspended}`,
    );
  await askRun(work, request(id));
  return 0;
}
