/** The rights of a task's processes, as in the event `sandboxed`. */

import { capabilityName, capabilityNumbers } from "../../effects/kernel/capabilities.ts";
import type { TaskProcess } from "../../effects/launch/launchInput.ts";
import type { LimitedResource } from "../../effects/limits/ulimits.ts";
import type { PortLimits } from "../../effects/network/ports.ts";
import type { TaskOptions } from "../../effects/parts.ts";
import { systemCallFilter } from "../../effects/seccomp/systemCallFilter.ts";
import { keptCapabilities } from "../../effects/users/capabilities.ts";
import type { EventData } from "../../machines/events.ts";
import type { TaskProgram } from "./sandboxPlan.ts";

export type TaskRights = Pick<
  EventData<"sandboxed">,
  "groups" | "capabilities" | "resourceLimits" | "umask" | "nice" | "seccomp"
>;

type PlannedRights = Pick<TaskProcess, "groups" | "capabilities" | "limits" | "filter">;

export function rightsOf(
  { groups, capabilities, limits, seccomp }: TaskProgram,
  task: TaskOptions,
): TaskRights {
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
    seccomp: seccomp && { profile: seccomp.profile, allow: [...seccomp.allow], deny: [...seccomp.deny] },
  };
}

/** The rights in a launch plan, for a further process of the task. */
export function rightsInPlan(rights: TaskRights, ports: PortLimits): PlannedRights {
  const { groups, resourceLimits, seccomp } = rights;
  const capabilities = rights.capabilities === null ? undefined : keptCapabilities(rights.capabilities);
  return {
    groups,
    capabilities,
    filter: systemCallFilter(seccomp, capabilities, ports),
    limits: resourceLimits.map(({ resource, soft, hard }) => ({
      resource: resource as LimitedResource,
      soft: soft ?? Infinity,
      hard: hard ?? Infinity,
    })),
  };
}

function finite(limit: number): number | null {
  return limit === Infinity ? null : limit;
}
