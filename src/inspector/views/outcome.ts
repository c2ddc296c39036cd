/** A task's present state, or its outcome, in a few words. Pure. */

import type { MachineState } from "../../machines/machineVersion.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import { signalName } from "../../signalNames.ts";
import { formatDuration } from "../../units/durations.ts";

export interface Outcome {
  /** `bad`: it failed or was lost, or never ran. */
  readonly tone: "good" | "bad" | "busy";
  readonly text: string;
}

export function outcomeOf({ value, context }: MachineState): Outcome {
  const { failure, exit, lostReason } = context;
  if (failure !== null) return { tone: "bad", text: `Never started: ${failure.code}` };
  if (exit !== null) return ended(exit, context);
  if (lostReason !== null) return { tone: "bad", text: `Lost: ${lostReason}` };
  return { tone: "busy", text: present(value, context) };
}

function ended(exit: NonNullable<TaskContext["exit"]>, { stop, forceKilled }: TaskContext): Outcome {
  const { exitCode, signal, oomKilled, source } = exit;
  const how = signal > 0 ? `Killed by ${signalName(signal)}` : `Failed with exit code ${exitCode}`;
  if (oomKilled) return { tone: "bad", text: "Out of memory" };
  if (stop?.timedOut === true) {
    const text = `Killed: still running ${formatDuration(stop.timeoutMs)} after ${signalName(stop.signal)}`;
    return { tone: "bad", text };
  }
  if (source === "unknown") return { tone: "bad", text: "Ended, but how is unknown" };
  if (stop !== null) return { tone: "good", text: "Stopped as requested" };
  if (forceKilled) return { tone: "good", text: "Killed as requested" };
  return exitCode === 0 && signal === 0 ? { tone: "good", text: "Completed" } : { tone: "bad", text: how };
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
