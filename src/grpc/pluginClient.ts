/**
 * The agent's side of the plugin interface: launches a plugin executable, or
 * connects to a running plugin, and calls its services.
 */
import { type ChildProcess, type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { Client, credentials } from "@grpc/grpc-js";
import { DriverError, errnoOf, messageOf } from "../base/errors.ts";
import { type Callers, createCallers } from "./callers.ts";
import { OperatorService } from "./generated/exec2/operator.ts";
import { StateFolderService } from "./generated/exec2/state_folder.ts";
import { GRPCBrokerService } from "./generated/goplugin/broker.ts";
import { GRPCControllerService } from "./generated/goplugin/controller.ts";
import { GRPCStdioService } from "./generated/goplugin/stdio.ts";
import { HealthService } from "./generated/grpc/health.ts";
import { ServerReflectionService } from "./generated/grpc/reflection.ts";
import { BasePluginService } from "./generated/nomad/base.ts";
import { DriverService } from "./generated/nomad/driver.ts";
import { launchEnvironment, parseHandshake } from "./handshake.ts";
import { lifelineEnvironment } from "./lifeline.ts";

/** All services of a plugin. */
const services = {
  base: BasePluginService,
  driver: DriverService,
  health: HealthService,
  controller: GRPCControllerService,
  broker: GRPCBrokerService,
  stdio: GRPCStdioService,
  reflection: ServerReflectionService,
  stateFolder: StateFolderService,
  operator: OperatorService,
};

type Services = { readonly [Name in keyof typeof services]: Callers<(typeof services)[Name]> };

export interface PluginConnection extends Services {
  /** Closes the connection. The plugin keeps running. */
  disconnect(): void;
}

export interface LaunchOptions {
  readonly command: string;
  readonly args?: readonly string[];
  /** argv[0], which process lists show. Default: the command. */
  readonly name?: string;
  /** The plugin's environment, to which the launch adds its own variables. Default: `process.env`. */
  readonly env?: NodeJS.ProcessEnv;
  /** Called with each line that the plugin writes to standard error. */
  readonly onLogLine?: (line: string) => void;
  /** When this signal is aborted, the plugin is killed. */
  readonly kill?: AbortSignal;
  /**
   * Binds the plugin to this process. However this process ends, the plugin ends, too, and the tasks of the
   * run with this work folder are removed. The plugin gets no signals from this process's terminal.
   */
  readonly lifeline?: { readonly work?: string | undefined };
}

export interface LaunchedPlugin extends PluginConnection {
  readonly pid: number;
  readonly socketPath: string;
  /** Milliseconds from the launch to the handshake. */
  readonly handshakeMs: number;
  /** Resolves when the process has ended. */
  readonly exited: Promise<PluginExit>;
  /** Ends the plugin as an agent does: two shutdown calls, then SIGKILL after 2 s. Tasks keep running. */
  close(): Promise<PluginExit>;
}

export interface PluginExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Milliseconds that agents wait for the handshake, and for the plugin's end. */
const handshakeLimitMs = 60_000;
const endLimitMs = 2_000;

/** The error of a failed launch quotes at most this many of the last log lines. */
const maxLogLines = 5;

type PluginProcess = ChildProcessByStdio<Writable | null, Readable, Readable>;

/** @throws DriverError `PLUGIN_FAILED` with the plugin's last log lines, if it does not start */
export async function launchPlugin(options: LaunchOptions): Promise<LaunchedPlugin> {
  const { command, args = [], name = command, env = process.env, lifeline } = options;
  const launchedAt = performance.now();
  const child = await spawnPlugin(name, () =>
    spawn(command, args, {
      argv0: name,
      env: { ...env, ...launchEnvironment, ...(lifeline && lifelineEnvironment(lifeline.work)) },
      stdio: [lifeline ? "pipe" : "ignore", "pipe", "pipe"],
      detached: lifeline !== undefined,
    }),
  );
  options.kill?.addEventListener("abort", () => child.kill("SIGKILL"));
  const lastLines = followLog(child, options);
  const exited = exitOf(child);
  exited.catch(() => undefined);
  try {
    const socketPath = parseHandshake(await Promise.race([handshakeOf(child), endedEarly(exited)]));
    const handshakeMs = performance.now() - launchedAt;
    const connection = connectPlugin(socketPath);
    const close = () => end(child, connection, exited);
    return { ...connection, pid: child.pid as number, socketPath, handshakeMs, exited, close };
  } catch (thrown) {
    child.kill("SIGKILL");
    await exited.catch(() => undefined);
    const written = lastLines.length > 0 ? `. It wrote: ${lastLines.map(logText).join(" | ")}` : "";
    const summary = `the plugin ${name} did not start: ${messageOf(thrown)}${written}`;
    throw new DriverError("PLUGIN_FAILED", summary, { cause: thrown });
  }
}

/** A line of the plugin's log as people read it. Anything else that it wrote stays as it is. */
function logText(line: string): string {
  try {
    const { "@message": message, error } = JSON.parse(line);
    if (typeof message === "string") return typeof error === "string" ? `${message}: ${error}` : message;
  } catch {
    // No line of a log.
  }
  return line;
}

/** Node throws some failures at once, and reports others in an event. */
async function spawnPlugin(name: string, start: () => ChildProcess): Promise<PluginProcess> {
  try {
    const child = start();
    await once(child, "spawn");
    return child as PluginProcess;
  } catch (thrown) {
    const failed = { call: "spawn", errno: errnoOf(thrown) };
    throw new DriverError("PLUGIN_FAILED", `the plugin ${name} did not start`, { failed, cause: thrown });
  }
}

/** Connects to a running plugin, as a restarted agent does. */
export function connectPlugin(socketPath: string): PluginConnection {
  const client = new Client(`unix:${socketPath}`, credentials.createInsecure(), {
    "grpc.max_receive_message_length": -1,
    "grpc.enable_retries": 0,
    "grpc.use_local_subchannel_pool": 1,
    "grpc.enable_channelz": 0,
  });
  const callers = Object.entries(services).map(([name, service]) => [name, createCallers(client, service)]);
  return { ...(Object.fromEntries(callers) as Services), disconnect: () => client.close() };
}

function followLog(child: PluginProcess, { onLogLine }: LaunchOptions): string[] {
  const last: string[] = [];
  createInterface({ input: child.stderr }).on("line", (line) => {
    last.push(line);
    if (last.length > maxLogLines) last.shift();
    onLogLine?.(line);
  });
  return last;
}

async function exitOf(child: PluginProcess): Promise<PluginExit> {
  // Unlike `exit`, `close` comes after the whole log was read.
  const [code, signal] = await once(child, "close");
  return { code, signal };
}

async function endedEarly(exited: Promise<PluginExit>): Promise<never> {
  throw new Error(`it ended without a handshake (${exitText(await exited)})`);
}

export function exitText({ code, signal }: PluginExit): string {
  return signal ?? `exit code ${code}`;
}

/** The first line on standard output. Reads and ignores further lines, as agents do. */
async function handshakeOf(child: PluginProcess): Promise<string> {
  const signal = AbortSignal.timeout(handshakeLimitMs);
  const [line] = await once(createInterface({ input: child.stdout }), "line", { signal });
  return line;
}

async function end(child: PluginProcess, connection: PluginConnection, exited: Promise<PluginExit>) {
  // The second call asks the plugin to end even if its driver does not know the first call, or answers late.
  await connection.driver.shutdown({}, { deadlineMs: endLimitMs }).catch(() => undefined);
  const shutdown = connection.controller.shutdown({}, { deadlineMs: endLimitMs });
  shutdown.catch(() => undefined);
  const timer = setTimeout(() => child.kill("SIGKILL"), endLimitMs);
  try {
    return await exited;
  } finally {
    clearTimeout(timer);
    connection.disconnect();
  }
}
