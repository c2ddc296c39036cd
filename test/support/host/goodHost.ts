/** The facts of a host that has everything. */
import type { HostFacts } from "../../../src/effects/host/hostFacts.ts";
import { LATEST_ABI } from "../../../src/effects/landlock/rights.ts";

export const goodHost: HostFacts = {
  kernel: "6.12.0",
  arch: "x64",
  bootId: "5f1f3c1e-0000-4000-8000-000000000000",
  root: true,
  landlockAbi: LATEST_ABI,
  missingCalls: [],
  cgroupMount: "/sys/fs/cgroup",
  cgroupControllers: ["cpuset", "cpu", "io", "memory", "pids"],
  cgroupDelegated: [],
  ioWeights: true,
  psi: true,
  memfdExecution: true,
  seccomp: true,
  namespaces: { pid: true, mount: true, ipc: true },
  cores: 2,
  mhzPerCore: 2445,
  mhzKnown: true,
};
