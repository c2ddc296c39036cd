/** A running task that a person names, and a connection to the plugin that runs it. */
import { connectPlugin, type PluginConnection } from "../../grpc/pluginClient.ts";
import { readHistory } from "../../replay/storedHistory.ts";
import { openPluginSocket } from "../../store/folder/pluginAddress.ts";
import { EventLogs } from "../logs/eventLogs.ts";
import { foldReadable } from "../logs/taskHistory.ts";
import { requireRoot } from "../requireRoot.ts";

export interface RunningTask {
  readonly id: string;
  /** The state folder of its plugin. */
  readonly stateFolder: string;
  /** Its allocation's private folder. */
  readonly allocDir: string;
}

/**
 * @param name the task's name, the start of its allocation's id, both, or its whole id
 * @throws DriverError `TASK_NOT_FOUND` if it matches no running task, or several
 */
export async function findRunningTask(stateDir: string, name: string): Promise<RunningTask> {
  requireRoot("the driver's plugin accepts root only");
  await using logs = await EventLogs.open(stateDir);
  const run = logs.findRunning(name);
  const { id, reader } = run;
  const { request } = foldReadable(readHistory(reader, id)).context;
  return { id, stateFolder: logs.stateFolderOf(run) ?? stateDir, allocDir: request?.allocDir ?? "" };
}

export interface ConnectedTask {
  readonly id: string;
  readonly plugin: PluginConnection;
  /** Closes the connection. The task keeps running. */
  close(): void;
}

/**
 * @throws DriverError as {@link findRunningTask}, and `PLUGIN_FAILED` if the task's plugin does not run
 */
export async function connectTask(stateDir: string, name: string): Promise<ConnectedTask> {
  const { id, stateFolder } = await findRunningTask(stateDir, name);
  const socket = openPluginSocket(stateFolder);
  const plugin = connectPlugin(socket.path);
  const close = () => {
    plugin.disconnect();
    socket.close();
  };
  return { id, plugin, close };
}
