/** The driver's answers about the node and its tasks, in the terms of its interface. Pure. */

import type { DriverError } from "../base/errors.ts";
import { unknownEnd } from "../base/taskEnd.ts";
import { shortNameOf, type TaskId } from "../base/taskId.ts";
import { version } from "../base/version.ts";
import type { HostFacts } from "../effects/host/hostFacts.ts";
import { fingerprintAttributes, type HostFindings, judgeHost } from "../effects/host/hostHealth.ts";
import { type Cause, causeText, changesText, knownCause } from "../machines/events/cause.ts";
import type { EventData } from "../machines/events.ts";
import { isAlive, type TaskSnapshot } from "../machines/taskMachine.ts";
import type { Capabilities, ExitResult, Fingerprint, TaskStatus } from "./driverPort.ts";
import type { PluginOptions } from "./options/pluginOptions.ts";

/** The capabilities that the driver reports to Nomad. */
export function capabilitiesOf({ logCollection }: Pick<PluginOptions, "logCollection">): Capabilities {
  return {
    sendSignals: true,
    exec: true,
    fsIsolation: "unveil",
    networkModes: ["host", "group", "none"],
    mountConfigs: "any",
    // With `true`, a client starts no log collector and creates no FIFOs, but still sends their paths.
    disableLogCollection: logCollection !== "agent",
    dynamicWorkloadUsers: true,
  };
}

export interface DriverFindings extends Required<HostFindings> {
  /** Why the driver's services could not be opened. */
  readonly error?: DriverError | undefined;
}

/** The node's fingerprint. */
export function fingerprintOf(
  facts: HostFacts,
  options: PluginOptions,
  { error, ...findings }: DriverFindings,
): Fingerprint {
  const attributes = fingerprintAttributes(facts, options, version, findings.offers);
  const { health, description } = judgeHost(facts, options, findings);
  if (error === undefined || health === "undetected") return { attributes, health, description };
  const text = `${error.code}: ${error.message}`;
  return {
    attributes,
    health: "unhealthy",
    description: health === "unhealthy" ? `${text}; ${description}` : text,
    error,
  };
}

/**
 * The result of a task that has ended, or that is lost or never started.
 * @param message how much its error says of a failure
 */
export function exitResultOf(
  { context }: TaskSnapshot,
  taskId: TaskId,
  message: PluginOptions["exitMessage"],
): ExitResult {
  const { exit, lostReason, failure } = context;
  if (exit === null) {
    const error = lostReason === null ? failure?.message : `the task is lost: ${lostReason}`;
    return { ...unknownEnd, oomKilled: false, error };
  }
  const { exitCode, signal, oomKilled } = exit;
  const error =
    exit.source === "unknown"
      ? "the task's exit code is unknown: its init is gone"
      : exitMessage(exit, taskId, message);
  return { exitCode, signal, oomKilled, ...(error !== undefined && { error }) };
}

/** Maximum length of the agent's exit message. */
const maxMessage = 200;

/**
 * The cause, or else what has changed since the last good run, in one line, and how to learn more; undefined if there
 * is nothing to say.
 */
function exitMessage(
  { cause, changes }: Pick<EventData<"exited">, "cause" | "changes">,
  taskId: TaskId,
  message: PluginOptions["exitMessage"],
): string | undefined {
  const known = knownCause(cause);
  const line =
    message === "output" && cause?.line ? [`its output ends with: ${JSON.stringify(cause.line)}`] : [];
  const textOf = (say: (cause: Cause) => string) =>
    [...(known === undefined ? changesText(changes) : [say(known)]), ...line].join("; ");
  const more = ` (nomad-driver-exec2 why ${shortNameOf(taskId)})`;
  const room = maxMessage - more.length;
  const [whole, withoutAdvice] = [textOf(causeText), textOf(({ text }) => text)];
  if (message === "off" || whole === "") return undefined;
  // A part of a line for the job file helps nobody.
  const text = whole.length <= room ? whole : withoutAdvice;
  return text.length <= room ? `${text}${more}` : `${text.slice(0, room - 1)}…${more}`;
}

export function taskStatusOf(
  taskId: TaskId,
  snapshot: TaskSnapshot,
  message: PluginOptions["exitMessage"],
): TaskStatus {
  const { request, process, exit, startedAt } = snapshot.context;
  const state = snapshot.value;
  return {
    taskId,
    taskName: request?.taskName ?? "",
    state: isAlive(state) ? "running" : exit === null ? "unknown" : "exited",
    startedAtMs: startedAt ?? undefined,
    completedAtMs: exit?.endedAt,
    exit: exit === null ? undefined : exitResultOf(snapshot, taskId, message),
    attributes: { state, ...(process && { pid: String(process.task.pid) }) },
  };
}
