/** What a person reads in `nomad alloc status` of what the driver did: pure. */
import { signalName } from "../effects/signals.ts";
import type { EventData, TaskEvent } from "../machines/events.ts";
import type { TaskContext } from "../machines/taskContext.ts";
import { formatBytes } from "../units.ts";

export interface TaskMessage {
  readonly message: string;
  readonly annotations: Readonly<Record<string, string>>;
}

/** The messages of an event; none for those that the agent tells of itself. */
export function messagesOfEvent(event: TaskEvent, context: TaskContext): readonly TaskMessage[] {
  switch (event.type) {
    case "sandboxed": {
      const { unveiled, limits, uid, runCgroup } = event.data;
      const abi = String(context.host?.landlockAbi ?? 0);
      const paths = String(unveiled.length);
      const where = runCgroup === null ? "" : ", in the host's pid namespace";
      const sandboxed = `Sandboxed with Landlock ABI ${abi}, ${paths} paths unveiled${where}`;
      return [message(sandboxed, { landlock_abi: abi, paths, uid: String(uid) }), ...missingLimits(limits)];
    }
    case "started": {
      const pid = String(event.data.task.pid);
      return [message(`Process started with pid ${pid}`, { pid })];
    }
    case "oomSeen": {
      const { kills } = event.data;
      const killed = kills === 1 ? "a process" : `${kills} processes`;
      const text = `Out of memory: the kernel has killed ${killed} of the task, which goes on`;
      return [message(`${text}${memoryText(event.data)}`, memoryAnnotations(event.data))];
    }
    case "stopTimedOut": {
      const { timeoutMs } = event.data;
      const signal = signalName(context.stop?.signal ?? 0);
      return [message(`Killed: still running ${timeoutMs} ms after ${signal}`, { signal })];
    }
    case "forceKilled": {
      const { reason, delivered } = event.data;
      return delivered && reason === "destroyRequested" ? [message("Killed: it was to be destroyed")] : [];
    }
    case "exited":
      return exitMessages(event.data, context);
    case "adopted": {
      const { handle, found } = event.data;
      return found === null ? [] : [message(`Taken over from the Go driver, process ${handle.pid}`)];
    }
    case "recovered": {
      const { pid, version } = event.data.plugin;
      return [message(`Taken over by plugin process ${pid}`, { plugin_version: version })];
    }
    case "lost":
      return [message(`Lost: ${event.data.reason}`)];
    default:
      return [];
  }
}

function message(text: string, annotations: TaskMessage["annotations"] = {}): TaskMessage {
  return { message: text, annotations };
}

/** One message for each reason why the host could not enforce limits. */
function missingLimits(limits: EventData<"sandboxed">["limits"]): TaskMessage[] {
  const missing = limits.filter(({ applied }) => !applied);
  const byReason = Map.groupBy(missing, ({ reason = "not known why" }) => reason);
  return [...byReason].map(([reason, files]) => {
    const names = files.map(({ file }) => file).join(", ");
    return message(`Runs without ${names}: ${reason}`, { not_limited: names });
  });
}

function exitMessages({ source, oomKilled, oom }: EventData<"exited">, context: TaskContext): TaskMessage[] {
  if (source === "unknown") return [message("The task is gone and its exit code is unknown")];
  if (source === "taskFile") return [message("Exit code as the Go driver left it in the task's own folder")];
  const annotations = memoryAnnotations(oom);
  if (oomKilled) {
    const text = `Killed by the kernel: out of memory${memoryText(oom)}`;
    return [message(text, { oom_killed: "true", ...annotations })];
  }
  if (oom === null || oom.kills <= (context.oom?.kills ?? 0)) return [];
  const text = `Out of memory: the kernel killed ${oom.kills} of the task's processes while it ran`;
  return [message(`${text}${memoryText(oom)}`, annotations)];
}

function memoryText(oom: EventData<"exited">["oom"]): string {
  const known = [amount("limit", oom?.limitBytes), amount("peak", oom?.peakBytes)].flat();
  return known.length === 0 ? "" : ` (${known.join(", ")})`;
}

function amount(name: string, bytes: number | null | undefined): string[] {
  return typeof bytes === "number" ? [`${name} ${formatBytes(bytes)}`] : [];
}

function memoryAnnotations(oom: EventData<"exited">["oom"]): Record<string, string> {
  if (oom === null) return {};
  const { kills, limitBytes, peakBytes } = oom;
  return {
    oom_kills: String(kills),
    ...(limitBytes !== null && { memory_limit: String(limitBytes) }),
    ...(peakBytes !== null && { memory_peak: String(peakBytes) }),
  };
}
