/** The rights of a task's processes, as in the event `sandboxed`. */
import { capabilityName, capabilityNumbers } from "../kernel/capabilities.ts";
import type { LimitedResource } from "../limits/ulimits.ts";
import { systemCallFilter } from "../seccomp/systemCallFilter.ts";
import type { FilterOptions, SeccompProfile } from "../seccomp/taskFilter.ts";
import { keptCapabilities } from "../users/capabilities.ts";
import type { TaskProcess } from "./launchInput.ts";
import type { Sandbox } from "./sandbox.ts";

/** As the event `sandboxed` records them; a limit of null is none. */
export interface TaskRights {
  readonly groups: readonly number[];
  readonly capabilities: readonly string[] | null;
  readonly resourceLimits: readonly {
    readonly resource: string;
    readonly soft: number | null;
    readonly hard: number | null;
  }[];
  readonly seccomp: SeccompProfile | null;
}

type PlannedRights = Pick<TaskProcess, "groups" | "capabilities" | "limits" | "filter">;

export function rightsOf({ request: { options }, groups, capabilities, limits, seccomp }: Sandbox) {
  return {
    groups: [...groups],
    capabilities: capabilities ? capabilityNumbers(capabilities.kept).map(capabilityName) : null,
    resourceLimits: limits.map(({ resource, soft, hard }) => ({
      resource,
      soft: finite(soft),
      hard: finite(hard),
    })),
    umask: Number.parseInt(options.umask, 8),
    nice: options.nice,
    seccomp: seccomp && { profile: seccomp.profile, allow: [...seccomp.allow], deny: [...seccomp.deny] },
  };
}

/** The rights in a launch plan, for a further process of the task. */
export function rightsInPlan(rights: TaskRights, options: FilterOptions): PlannedRights {
  const { groups, resourceLimits, seccomp } = rights;
  const capabilities = rights.capabilities === null ? undefined : keptCapabilities(rights.capabilities);
  return {
    groups,
    capabilities,
    filter: systemCallFilter(seccomp, options),
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
