/** Filters of tasks that are launched by hand. */

import type { SeccompProfile } from "../../../src/config/seccomp/taskFilter.ts";
import type { PortLimits } from "../../../src/config/values/ports.ts";
import type { SystemCallFilter } from "../../../src/effects/launch/plan.ts";
import { systemCallFilter } from "../../../src/effects/seccomp/systemCallFilter.ts";

export function filterOf(
  profile: Partial<SeccompProfile> = {},
  ports: PortLimits = {},
): SystemCallFilter | undefined {
  return systemCallFilter({ profile: "default", allow: [], deny: [], ...profile }, undefined, ports);
}
