/** Launches plugin processes as an agent does. They end with the test file. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { type LaunchedPlugin, launchPlugin } from "../../../src/grpc/pluginClient.ts";
import { sourceEntry } from "./pluginEntry.ts";

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

const started = new Set<LaunchedPlugin>();
/** The folder of the plugins' sockets. Killed plugins leave their sockets, so the folder is removed. */
let sockets: string | undefined;

afterAll(async () => {
  for (const { pid, exited } of started) {
    // Kills only a plugin that is still running. An ended plugin's pid may belong to another process by now.
    if ((await Promise.race([exited, stillRunning])) === undefined) process.kill(pid, "SIGKILL");
  }
  if (sockets !== undefined) rmSync(sockets, { recursive: true, force: true });
});

const stillRunning = Promise.resolve(undefined);
/** From source, compilation takes a third of a plugin's start, so the compiled code is cached. */
const compileCache = join(import.meta.dirname, "../../../node_modules/.cache/plugin");

export async function startPlugin(options: StartOptions = {}): Promise<StartedPlugin> {
  const { entry = sourceEntry, args = [], env = {} } = options;
  const stderrLines: string[] = [];
  const isScript = /\.[mc]?[jt]s$/.test(entry);
  // Made with the first plugin: vitest does not run afterAll in a file whose tests are all skipped.
  sockets ??= mkdtempSync(join(tmpdir(), "exec2-sockets-"));
  const plugin = await launchPlugin({
    command: isScript ? process.execPath : entry,
    args: isScript ? [entry, ...args] : args,
    env: { ...process.env, PLUGIN_UNIX_SOCKET_DIR: sockets, NODE_COMPILE_CACHE: compileCache, ...env },
    onLogLine: (line) => stderrLines.push(line),
  });
  started.add(plugin);
  return { ...plugin, stderrLines };
}

/**
 * Launches the plugin from a shell whose script first changes its own process attributes, which the plugin
 * inherits.
 */
export function preparedBy(script: string, entry = sourceEntry): StartOptions {
  const command = entry.endsWith(".ts") ? [process.execPath, entry] : [entry];
  return { entry: "/bin/sh", args: ["-c", `${script}\nexec "$@"`, "sh", ...command] };
}
