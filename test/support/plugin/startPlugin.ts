/** Launches plugin processes as an agent does. They end with the test file. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LaunchedPlugin, launchPlugin } from "../../../src/grpc/pluginClient.ts";
import { onFileFinished } from "../fileEnd.ts";
import { compileCache, programEntry } from "./pluginEntry.ts";

export interface StartedPlugin extends LaunchedPlugin {
  /** The lines that the plugin has written to standard error so far. */
  readonly stderrLines: readonly string[];
}

export interface StartOptions {
  /** A TypeScript or JavaScript file, run by this Node, or an executable. Default: the driver's own entry. */
  readonly entry?: string;
  readonly args?: readonly string[];
  /** Added to this process's environment. */
  readonly env?: NodeJS.ProcessEnv;
}

/** The folder of the sockets of the file's plugins. */
let sockets: string | undefined;

function socketsFolder(): string {
  if (sockets !== undefined) return sockets;
  const folder = mkdtempSync(join(tmpdir(), "exec2-sockets-"));
  // Killed plugins leave their sockets.
  onFileFinished(() => {
    rmSync(folder, { recursive: true, force: true });
    sockets = undefined;
  });
  sockets = folder;
  return folder;
}

const stillRunning = Promise.resolve(undefined);

/** Kills only a plugin that is still running. An ended plugin's pid may belong to another process by now. */
async function killIfRunning({ pid, exited }: LaunchedPlugin): Promise<void> {
  if ((await Promise.race([exited, stillRunning])) === undefined) process.kill(pid, "SIGKILL");
}

export async function startPlugin(options: StartOptions = {}): Promise<StartedPlugin> {
  const { entry = programEntry, args = [], env = {} } = options;
  const stderrLines: string[] = [];
  const plugin = await launchPlugin({
    command: isScript(entry) ? process.execPath : entry,
    args: isScript(entry) ? [entry, ...args] : args,
    env: {
      ...process.env,
      PLUGIN_UNIX_SOCKET_DIR: socketsFolder(),
      // The executable has its code compiled. With Node's variables, it executes itself again to remove them.
      NODE_COMPILE_CACHE: [entry, ...args].some(isScript) ? compileCache : undefined,
      ...env,
    },
    onLogLine: (line) => stderrLines.push(line),
  });
  onFileFinished(() => killIfRunning(plugin));
  return { ...plugin, stderrLines };
}

/**
 * Launches the plugin from a shell whose script first changes its own process attributes, which the plugin
 * inherits.
 */
export function preparedBy(script: string, entry = programEntry): StartOptions {
  const command = isScript(entry) ? [process.execPath, entry] : [entry];
  return { entry: "/bin/sh", args: ["-c", `${script}\nexec "$@"`, "sh", ...command] };
}

const isScript = (entry: string) => /\.[mc]?[jt]s$/.test(entry);
