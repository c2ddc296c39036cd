/** The filter of a task's processes, from its event `sandboxed`. */

import { type SeccompProfile, taskFilter } from "../../config/seccomp/taskFilter.ts";
import { capabilityName, capabilityNumbers } from "../../config/values/capabilities.ts";
import { type PortLimits, portOptions } from "../../config/values/ports.ts";
import type { SystemCallFilter } from "../launch/plan.ts";
import { runnerArchitecture } from "../launch/runner.ts";
import type { TaskCapabilities } from "../users/capabilities.ts";
import { assembleFilter } from "./filterProgram.ts";

/**
 * @param profile null for a kernel without filters, and for tasks of earlier versions
 * @returns undefined if nothing is refused
 */
export function systemCallFilter(
  profile: SeccompProfile | null,
  capabilities: TaskCapabilities | undefined,
  ports: PortLimits,
): SystemCallFilter | undefined {
  if (profile === null) return undefined;
  const names = capabilities === undefined ? [] : capabilityNumbers(capabilities.kept).map(capabilityName);
  const key = JSON.stringify([profile, names, portOptions.map((option) => ports[option]?.length)]);
  const known = assembled.get(key);
  if (known !== undefined) return known;
  const filter = taskFilter(profile, names, ports);
  if (filter === undefined) return undefined;
  const program = assembleFilter(filter, runnerArchitecture());
  if (assembled.size >= MAX_ASSEMBLED) assembled.clear();
  const made = { name: profile.profile, program };
  assembled.set(key, made);
  return made;
}

/**
 * Assembled filters. Assembling one takes longer than the rest of a plan, and most tasks of a node have the
 * same filter.
 */
const assembled = new Map<string, SystemCallFilter>();
const MAX_ASSEMBLED = 64;
