/** What this driver supports for its tasks, as Nomad asks for it. */
import type { Capabilities } from "./driverPort.ts";

export const capabilities: Capabilities = {
  sendSignals: true,
  exec: true,
  fsIsolation: "unveil",
  networkModes: ["host", "group", "none"],
  mountConfigs: "any",
  // If it were true, a client would start no log collector and create no FIFOs, but still send their paths.
  disableLogCollection: false,
  dynamicWorkloadUsers: true,
};
