/** What a person reads in `nomad alloc status` of what the driver did: pure. */
import { signalName } from "../effects/signals.ts";
import type { TaskEvent } from "../machines/events.ts";
import type { TaskContext } from "../machines/taskContext.ts";

export interface TaskMessage {
  readonly message: string;
  readonly annotations: Readonly<Record<string, string>>;
}

/** The message of an event, or nothing for events that the agent tells of itself. */
export function messageOfEvent(event: TaskEvent, context: TaskContext): TaskMessage | undefined {
  switch (event.type) {
    case "sandboxed": {
      const { unveiled, limits, uid } = event.data;
      const missing = limits.filter(({ applied }) => !applied);
      const unlimited =
        missing.length > 0
          ? `; not limited: ${missing.map(({ file, reason }) => `${file} (${reason})`).join(", ")}`
          : "";
      const abi = context.host?.landlockAbi ?? 0;
      return {
        message: `Sandboxed with Landlock ABI ${abi}, ${unveiled.length} paths unveiled${unlimited}`,
        annotations: { landlock_abi: String(abi), paths: String(unveiled.length), uid: String(uid) },
      };
    }
    case "started": {
      const pid = String(event.data.task.pid);
      return { message: `Process started with pid ${pid}`, annotations: { pid } };
    }
    case "stopTimedOut":
      return {
        message: `Killed: still running ${event.data.timeoutMs} ms after ${signalName(context.stop?.signal ?? 0)}`,
        annotations: {},
      };
    case "exited":
      if (event.data.source === "unknown") {
        return { message: "The task is gone and its exit code is unknown", annotations: {} };
      }
      if (event.data.source === "taskFile") {
        return { message: "Exit code as the Go driver left it in the task's own folder", annotations: {} };
      }
      return event.data.oomKilled
        ? { message: "Killed by the kernel: out of memory", annotations: { oom_killed: "true" } }
        : undefined;
    case "adopted": {
      const { handle, found } = event.data;
      if (found === null) return undefined;
      return { message: `Taken over from the Go driver, process ${handle.pid}`, annotations: {} };
    }
    case "recovered":
      return {
        message: `Taken over by plugin process ${event.data.plugin.pid}`,
        annotations: { plugin_version: event.data.plugin.version },
      };
    case "lost":
      return { message: `Lost: ${event.data.reason}`, annotations: {} };
    default:
      return undefined;
  }
}
