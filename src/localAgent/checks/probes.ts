/** Performs checks: a request, a connection, or a command in a task. */
import { once } from "node:events";
import { request } from "node:http";
import { connect, type Socket } from "node:net";
import { connect as tlsConnect } from "node:tls";
import { DriverError, hasErrno, messageOf } from "../../base/errors.ts";
import { trustBundledRoots } from "../../base/rootCertificates.ts";
import type { Probe } from "../jobspec/job.ts";
import type { CheckResult } from "./checkState.ts";

/** Access to the task that is checked. */
export interface CheckTarget {
  /** Connects to a port on which a task listens. @throws if the connection cannot be made */
  readonly connect: (port: number) => Socket;
  /** Runs a command in the task of the check. */
  readonly execute: (command: readonly string[], timeoutMs: number) => Promise<{ readonly exitCode: number }>;
}

export type ResolvedProbe =
  | (Omit<Extract<Probe, { kind: "tcp" }>, "port"> & { readonly port: number })
  | (Omit<Extract<Probe, { kind: "http" }>, "port"> & { readonly port: number })
  | Extract<Probe, { kind: "script" }>;

/** Performs a check. Never throws: a failure is a result. */
export async function perform(
  probe: ResolvedProbe,
  target: CheckTarget,
  timeoutMs: number,
  stop: AbortSignal,
): Promise<CheckResult> {
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    return await resultOf(probe, target, timeoutMs, AbortSignal.any([timeout, stop]));
  } catch (thrown) {
    return { status: "critical", detail: timeout.aborted ? "no answer in time" : failureText(thrown) };
  }
}

async function resultOf(
  probe: ResolvedProbe,
  target: CheckTarget,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<CheckResult> {
  if (probe.kind === "script") {
    const { exitCode } = await target.execute([probe.command, ...probe.args], timeoutMs);
    const status = exitCode === 0 ? "passing" : exitCode === 1 ? "warning" : "critical";
    return { status, detail: exitCode === 0 ? "" : `exit code ${exitCode}` };
  }
  if (probe.kind === "tcp") {
    await accepted(target.connect(probe.port), signal);
    return { status: "passing", detail: "" };
  }
  const code = await statusOf(probe, target, signal);
  const status = code >= 200 && code < 300 ? "passing" : code === 429 ? "warning" : "critical";
  return { status, detail: status === "passing" ? "" : `HTTP ${code}` };
}

async function accepted(socket: Socket, signal: AbortSignal): Promise<void> {
  using connection = new DisposableStack();
  connection.defer(() => socket.destroy());
  if (socket.connecting) await once(socket, "connect", { signal });
}

/** Returns the status of an HTTP answer, and ignores its content. */
async function statusOf(
  { secure, verifies, method, path, port, headers, body }: Extract<ResolvedProbe, { kind: "http" }>,
  { connect: open }: CheckTarget,
  signal: AbortSignal,
): Promise<number> {
  const socket = open(port);
  using connection = new DisposableStack();
  connection.defer(() => socket.destroy());
  if (secure && verifies) trustBundledRoots();
  const connect = () => (secure ? tlsConnect({ socket, rejectUnauthorized: verifies }) : socket);
  const options = { host: "127.0.0.1", port, method, path, signal, createConnection: connect };
  const call = request({ ...options, headers: { connection: "close", ...headers } });
  // The signal makes an aborted check fail. The request then reports another error, which is ignored.
  call.on("error", () => undefined);
  call.end(body);
  const [response] = await once(call, "response", { signal });
  return response.statusCode as number;
}

/** A connection to a port of the host. */
export function connectToHost(port: number): Socket {
  return connect(port, "127.0.0.1");
}

function failureText(thrown: unknown): string {
  if (hasErrno(thrown, "ECONNREFUSED")) return "connection refused";
  if (hasErrno(thrown, "ECONNRESET")) return "connection reset";
  if (thrown instanceof DriverError) return thrown.summary;
  // Node's errors about certificates end with advice for users of Node, which is removed.
  return messageOf(thrown).replace(/; if the root CA is installed.*$/s, "");
}
