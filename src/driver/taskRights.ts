/** What the processes of a task may do, as the event `sandboxed` tells it. Pure. */
import { capabilityName, capabilityNumbers } from "../config/capabilities.ts";
import type { TaskOptions } from "../config/taskOptions.ts";
import type { EventData } from "../machines/events.ts";
import type { TaskProgram } from "./sandboxPlan.ts";

export type TaskRights = Pick<
  EventData<"sandboxed">,
  "groups" | "capabilities" | "resourceLimits" | "umask" | "nice"
>;

export function rightsOf({ groups, capabilities, limits }: TaskProgram, task: TaskOptions): TaskRights {
  return {
    groups: [...groups],
    capabilities: capabilities ? capabilityNumbers(capabilities.kept).map(capabilityName) : null,
    resourceLimits: limits.map(({ resource, soft, hard }) => ({
      resource,
      soft: finite(soft),
      hard: finite(hard),
    })),
    umask: Number.parseInt(task.umask, 8),
    nice: task.nice,
  };
}

function finite(limit: number): number | null {
  return limit === Infinity ? null : limit;
}
