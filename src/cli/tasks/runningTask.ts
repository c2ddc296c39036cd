/** A running task that a person names, and a connection to the plugin that runs it. */
import { dirname } from "node:path";
import { DriverError } from "../../errors.ts";
import { connectPlugin, type PluginConnection } from "../../grpc/pluginClient.ts";
import { readHistory } from "../../replay/storedHistory.ts";
import { isLocal } from "../../store/folder/logFolders.ts";
import { openPluginSocket } from "../../store/folder/pluginAddress.ts";
import { allocationOf, shortId } from "../../taskId.ts";
import { EventLogs } from "../logs/eventLogs.ts";
import { foldReadable } from "../logs/taskHistory.ts";
import { requireRoot } from "../requireRoot.ts";

export interface RunningTask {
  readonly id: string;
  readonly plugin: PluginConnection;
  /** Closes the connection. The task keeps running. */
  close(): void;
}

/**
 * @param name the task's name, the start of its allocation's id, both, or its whole id
 * @throws DriverError `TASK_NOT_FOUND` if it matches no running task, or several
 * @throws DriverError `PLUGIN_FAILED` if the task's plugin does not run
 */
export async function connectTask(stateDir: string, name: string): Promise<RunningTask> {
  const { id, folder } = await find(stateDir, name);
  return connect(id, folder);
}

/**
 * A running task of a local run, and the run's work folder.
 * @param verb the verb of `nomad alloc` for an agent's task, for the error's hint
 * @throws DriverError `UNSUPPORTED` for a task of an agent: the agent would start it again
 */
export async function findLocalTask(
  stateDir: string,
  name: string,
  verb: string,
): Promise<{ readonly id: string; readonly work: string }> {
  const found = await find(stateDir, name);
  requireLocal(found, name, verb);
  // An allocation's folder is <work>/alloc/<id>.
  return { id: found.id, work: dirname(dirname(found.allocDir)) };
}

interface FoundTask {
  readonly id: string;
  /** The state folder of its plugin. */
  readonly folder: string;
  /** Its allocation's private folder. */
  readonly allocDir: string;
}

async function find(stateDir: string, name: string): Promise<FoundTask> {
  requireRoot("the driver's plugin accepts root only");
  const logs = await EventLogs.open(stateDir);
  try {
    const run = logs.findRunning(name);
    const { id, reader } = run;
    const { request } = foldReadable(readHistory(reader, id)).context;
    return { id, folder: logs.stateFolderOf(run) ?? stateDir, allocDir: request?.allocDir ?? "" };
  } finally {
    await logs.close();
  }
}

function requireLocal({ id, folder }: FoundTask, name: string, verb: string): void {
  if (isLocal(folder)) return;
  throw new DriverError("UNSUPPORTED", `task ${name} belongs to a Nomad agent`, {
    hint: `Use nomad alloc ${verb} ${shortId(allocationOf(id))}`,
  });
}

function connect(id: string, folder: string): RunningTask {
  const socket = openPluginSocket(folder);
  const plugin = connectPlugin(socket.path);
  const close = () => {
    plugin.disconnect();
    socket.close();
  };
  return { id, plugin, close };
}
