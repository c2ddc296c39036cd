/** Filters of tasks that are launched by hand. */
import type { TcpPorts } from "../../../src/config/options/tcpPorts.ts";
import type { SeccompProfile } from "../../../src/config/seccomp/taskFilter.ts";
import type { SystemCallFilter } from "../../../src/effects/launch/plan.ts";
import { systemCallFilter } from "../../../src/effects/seccomp/systemCallFilter.ts";

export function filterOf(
  profile: Partial<SeccompProfile> = {},
  ports: TcpPorts = {},
): SystemCallFilter | undefined {
  return systemCallFilter({ profile: "default", allow: [], deny: [], ...profile }, undefined, ports);
}
