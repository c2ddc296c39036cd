/** What a person wants to know first: how the task stands, and why it ended. Pure. */
import { describeExit } from "../cli/events/eventSummary.ts";
import { formatSpan } from "../cli/terminal/time.ts";
import { signalName } from "../effects/signals.ts";
import type { MachineState } from "../machines/machineVersion.ts";
import type { TaskContext } from "../machines/taskContext.ts";
import { formatBytes } from "../units.ts";

export interface Diagnosis {
  readonly tone: "good" | "bad" | "busy";
  readonly headline: string;
  /** What to look at, or to do, next; may be empty. */
  readonly advice: string;
}

export function diagnose({ value, context }: MachineState): Diagnosis {
  const { failure, exit, lostReason } = context;
  if (failure !== null) return failed(context, failure);
  if (exit !== null) return ended(context, exit);
  if (lostReason !== null) return { tone: "bad", headline: `Lost: ${lostReason}`, advice: "" };
  return { tone: "busy", headline: present(value, context), advice: "" };
}

function present(state: string, { stop, recoveries }: TaskContext): string {
  if (state === "stopping" && stop !== null) {
    return `Asked to stop with ${signalName(stop.signal)}; it has ${formatSpan(stop.timeoutMs)}`;
  }
  if (state === "recovered")
    return `Running, taken over ${recoveries === 1 ? "once" : `${recoveries} times`}`;
  return words[state] ?? state;
}

const words: Readonly<Record<string, string>> = {
  pending: "Asked for",
  fingerprinted: "Its sandbox is being laid out",
  sandboxed: "Being started",
  running: "Running",
  killing: "Being killed",
  destroyed: "Forgotten by the agent",
};

function failed(
  { request, sandbox }: TaskContext,
  { code, message, failed: call }: NonNullable<TaskContext["failure"]>,
): Diagnosis {
  const denied = call?.errno === "EACCES" || call?.errno === "EPERM";
  const path = call?.path ?? sandbox?.command ?? request?.command ?? "its program";
  return {
    tone: "bad",
    headline: `Never started: ${message}`,
    advice: denied
      ? `The sandbox (or the file's mode) denied ${path}. Look at the unveiled paths below: it needs rx, in the job's unveil or the plugin's unveil_paths.`
      : `${code} is explained in docs/errors.md.`,
  };
}

function ended(context: TaskContext, exit: NonNullable<TaskContext["exit"]>): Diagnosis {
  const how = describeExit(exit);
  const { stop, forceKilled, request } = context;
  if (exit.oomKilled) {
    const limit = exit.oom?.limitBytes;
    const bound = limit === undefined || limit === null ? "" : ` Its limit was ${formatBytes(limit)}.`;
    return { tone: "bad", headline: `Ended: ${how}`, advice: `It needs more memory than it has.${bound}` };
  }
  if (stop?.timedOut === true) {
    const name = signalName(stop.signal);
    const advice = `It did not end on ${name}. Let it handle that signal, choose another kill_signal, or a longer kill_timeout.`;
    return {
      tone: "bad",
      headline: `Killed: still running ${formatSpan(stop.timeoutMs)} after ${name}`,
      advice,
    };
  }
  if (stop !== null) return { tone: "good", headline: `Stopped as asked: ${how}`, advice: "" };
  if (forceKilled) return { tone: "good", headline: `Killed as asked: ${how}`, advice: "" };
  if (exit.source === "unknown") return { tone: "bad", headline: `Ended: ${how}`, advice: "" };
  if (exit.exitCode === 0 && exit.signal === 0)
    return { tone: "good", headline: `Ended well: ${how}`, advice: "" };
  const advice = `Nobody had asked it to end. What it wrote last is in its standard error, ${request?.stderrPath ?? "unknown"}; if it was denied a file, that is not among the unveiled paths below.`;
  return { tone: "bad", headline: `Ended by itself: ${how}`, advice };
}
