/** One line in plain words for each fact of a task's life. Pure. */

import type { EventData, TaskEvent } from "../machines/events.ts";
import { MASK } from "../replay/mask.ts";
import { signalName } from "../signalNames.ts";
import { formatBytes } from "../units.ts";
import { formatSpan } from "./time.ts";

/** What the event says; values of the environment are in no event, so none can be shown. */
export function summarise(event: TaskEvent): string {
  switch (event.type) {
    case "requested": {
      const { command, args, user, resources } = event.data;
      const memory = resources.memoryMb > 0 ? `, ${resources.memoryMb} MiB` : "";
      const cpu = resources.cpusetCpus ? `, cores ${resources.cpusetCpus}` : `, ${resources.cpuMhz} MHz`;
      return `${commandLine([command, ...args])} as ${user || "the default user"}${cpu}${memory}`;
    }
    case "fingerprinted": {
      const { kernel, arch, landlockAbi, cgroupControllers } = event.data;
      const controllers =
        cgroupControllers.length > 0 ? cgroupControllers.join(" ") : "no cgroup controllers";
      return `Linux ${kernel} on ${arch}, Landlock ABI ${landlockAbi}, ${controllers}`;
    }
    case "sandboxed":
      return sandboxSummary(event.data);
    case "started": {
      const { task, init } = event.data;
      return `pid ${task.pid}, below its init ${init.pid}`;
    }
    case "startFailed":
      return `${event.data.message}${event.data.recoverable ? " (may be tried again)" : ""}`;
    case "signalled": {
      const name = signalName(event.data.signal);
      return event.data.delivered ? `${name} delivered` : `${name} came too late`;
    }
    case "execStarted": {
      const { exec, command, user, terminal, process } = event.data;
      return `command ${exec}: ${command} as ${user}, pid ${process.pid}${terminal ? ", with a terminal" : ""}`;
    }
    case "execExited": {
      const { exec, reason } = event.data;
      return `command ${exec}: ${execEnds[reason](describeEnd(event.data))}`;
    }
    case "stopRequested": {
      const { signal, timeoutMs } = event.data;
      return `${signalName(signal)}, then ${formatSpan(timeoutMs)} to end`;
    }
    case "stopTimedOut":
      return `still running after ${formatSpan(event.data.timeoutMs)}`;
    case "destroyRequested":
      return event.data.force ? "whether it runs or not" : "if it has ended";
    case "forceKilled":
      return `SIGKILL ${event.data.delivered ? "delivered" : "came too late"}: ${killReasons[event.data.reason]}`;
    case "oomSeen": {
      const { kills, limitBytes } = event.data;
      const limit = limitBytes === null ? "" : `, limit ${formatBytes(limitBytes)}`;
      return `${kills} ${kills === 1 ? "process" : "processes"} killed for lack of memory so far${limit}`;
    }
    case "exited":
      return describeExit(event.data);
    case "adopted": {
      const { handle, found } = event.data;
      const what = found === null ? "nothing that runs" : `pid ${found.task.pid}, below ${found.init.pid}`;
      return `from the Go driver, whose process was ${handle.pid}: ${what}`;
    }
    case "recovered":
      return `by plugin process ${event.data.plugin.pid}: ${event.data.found}`;
    case "lost":
      return event.data.reason;
    case "destroyed":
      return "forgotten by the agent";
  }
}

type ExecReason = EventData<"execExited">["reason"];

const execEnds: Readonly<Record<ExecReason, (end: string) => string>> = {
  ended: (end) => end,
  cancelled: () => "killed, whoever asked for it has gone",
  timedOut: () => "killed, its time was over",
  pluginEnded: () => "killed, the plugin has ended",
};

const killReasons = { stopTimedOut: "its time to stop was over", destroyRequested: "it was to be destroyed" };

function sandboxSummary(sandbox: EventData<"sandboxed">): string {
  const { uid, unveiled, skipped, limits, privateTmp, runCgroup } = sandbox;
  const applied = limits.filter((limit) => limit.applied).map(({ file, value }) => `${file}=${value}`);
  const missing = limits.filter((limit) => !limit.applied).map(({ file }) => file);
  return [
    `uid ${uid}, ${unveiled.length} paths unveiled${skipped.length > 0 ? ` (${skipped.length} not there)` : ""}`,
    `${privateTmp ? "its own" : "the host's"} /tmp`,
    ...(runCgroup === null ? [] : ["in the host's pid namespace"]),
    ...(applied.length > 0 ? [applied.join(" ")] : []),
    ...(missing.length > 0 ? [`not limited: ${missing.join(" ")}`] : []),
  ].join(", ");
}

/** How a task ended. */
export function describeExit({ exitCode, signal, oomKilled, source }: EventData<"exited">): string {
  if (source === "unknown") return "gone, and nobody can know how it ended";
  const how = describeEnd({ exitCode, signal });
  if (source === "taskFile") return `${how}, by a file that the task could write`;
  return oomKilled ? `${how}: out of memory` : how;
}

function describeEnd({ exitCode, signal }: Pick<EventData<"exited">, "exitCode" | "signal">): string {
  return signal > 0 ? `killed by ${signalName(signal)}` : `exit code ${exitCode}`;
}

/** A command as a shell would take it, on one line and not too long. */
function commandLine(words: readonly string[]): string {
  const line = words.map((word) => (isPlain(word) ? word : JSON.stringify(word))).join(" ");
  return line.length > 120 ? `${line.slice(0, 119)}…` : line;
}

/** Needs no quotes. */
function isPlain(word: string): boolean {
  return word === MASK || /^[\w@%+=:,./-]+$/.test(word);
}
