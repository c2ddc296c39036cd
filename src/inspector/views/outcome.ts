/** A task's current state or outcome: a kind to count it by, a tone, and a short text. Pure. */

import { signalName } from "../../base/signalNames.ts";
import { shortEnd } from "../../base/taskEnd.ts";
import { causeText, knownCause, withCause } from "../../machines/events/cause.ts";
import type { MachineState } from "../../machines/machineVersion.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import { resultOf } from "../../machines/taskOutline.ts";
import type { TaskResult } from "../../machines/taskResults.ts";
import { formatDuration } from "../../units/durations.ts";
import { upperFirst } from "../../units/upperFirst.ts";
import { type OutcomeKind, type Tone, toneOf } from "./outcomeKinds.ts";

export interface Outcome {
  readonly kind: OutcomeKind;
  readonly tone: Tone;
  readonly text: string;
}

export function outcomeOf({ value, context }: MachineState): Outcome {
  const result = resultOf(context);
  const kind = result ?? presentKind(value);
  const text = result === null ? present(value, context) : endedText(result, context);
  return { kind, tone: toneOf[kind], text };
}

/**
 * The cause of a failure, such as `COMMAND_NOT_FOUND /usr/local/bin/web`, by which failures are grouped. Null
 * for a task that did not fail.
 */
export function causeOf({ context }: MachineState): string | null {
  const { request, failure, exit, lostReason, stop } = context;
  // A command such as /usr/bin/sh says nothing, and jobs of many kinds have the same.
  const whose = request === null ? "a task without a request" : `${request.taskName} of ${request.jobId}`;
  const result = resultOf(context);
  if (result === "never started" && failure !== null) {
    const { code, failed } = failure;
    // A path in the allocation's folder differs for each task, so it is left out.
    const isShared = failed?.path !== undefined && !failed.path.includes(request?.allocId ?? "/");
    return `${code} ${isShared ? failed.path : (request?.options.command ?? whose)}`;
  }
  const known = knownCause(exit?.cause);
  if (known !== undefined) return sharedText(causeText(known), request?.allocId);
  if (result === "out of memory") return `out of memory: ${whose}`;
  if (result === "lost") return `lost: ${lostReason ?? "how it ended is unknown"}`;
  if (result === "killed" && stop?.timedOut === true) {
    return `killed, still running after ${signalName(stop.signal)}: ${whose}`;
  }
  if ((result === "killed" || result === "failed") && exit !== null) {
    return `${exit.signal > 0 ? shortEnd(exit) : `exit code ${exit.exitCode}`}: ${whose}`;
  }
  return null;
}

/** The text of a cause without what differs for each run: its folder, its user, processes, and what is free on a disk. */
function sharedText(text: string, allocId: string | undefined): string {
  const shared = text
    .replaceAll(/\b(pid|uid) \d+/g, "$1 …")
    .replaceAll(/: at ([^\s,]+), [^;]* (?:are free|fits)/g, ": at $1");
  // The allocation's folder is below a folder of the agent, or of a run.
  const id = allocId?.slice(0, 8) || "/";
  return shared.replaceAll(/\/[^\s",;:]+/g, (path) => {
    const names = path.split("/");
    const at = names.findLastIndex((name) => name.startsWith(id));
    return at === -1 ? path : ["…", ...names.slice(at + 1)].join("/");
  });
}

function endedText(result: TaskResult, { failure, exit, lostReason, stop }: TaskContext): string {
  switch (result) {
    case "completed":
      return "Completed";
    case "stopped":
      return stop === null ? "Killed as requested" : "Stopped as requested";
    case "out of memory":
      return upperCause(exit) ?? "Out of memory";
    case "never started":
      return `Never started: ${failure?.code}`;
    case "lost":
      return `Lost: ${lostReason ?? "how it ended is unknown"}`;
    case "failed":
      if (exit === null) return "Failed";
      return withCause(knownCause(exit.cause) ? "Failed" : `Failed with exit code ${exit.exitCode}`, exit);
    case "killed":
      return stop?.timedOut === true
        ? `Killed: still running ${formatDuration(stop.timeoutMs)} after ${signalName(stop.signal)}`
        : (upperCause(exit) ?? `Killed by ${signalName(exit?.signal ?? 0)}`);
  }
}

/** The cause of an end by a signal: such a text says itself what ended the task. */
function upperCause(exit: TaskContext["exit"]): string | undefined {
  const known = knownCause(exit?.cause);
  return known === undefined ? undefined : upperFirst(causeText(known));
}

function presentKind(state: string): OutcomeKind {
  if (state === "running" || state === "recovered") return "running";
  if (state === "stopping" || state === "killing") return "stopping";
  return state === "destroyed" ? "removed" : "starting";
}

function present(state: string, { stop, recoveries }: TaskContext): string {
  if (state === "stopping" && stop !== null) {
    return `Asked to stop with ${signalName(stop.signal)}, has ${formatDuration(stop.timeoutMs)}`;
  }
  if (state === "recovered") {
    return `Running, taken over ${recoveries === 1 ? "once" : `${recoveries} times`}`;
  }
  return states[state] ?? state;
}

const states: Readonly<Record<string, string>> = {
  pending: "Requested",
  fingerprinted: "Its sandbox is being prepared",
  sandboxed: "Starting",
  running: "Running",
  killing: "Being killed",
  destroyed: "Removed by the agent",
};
