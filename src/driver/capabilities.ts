/** What Nomad may ask of tasks of this driver. */
import type { Capabilities } from "./driverPort.ts";

export const capabilities: Capabilities = {
  sendSignals: true,
  exec: true,
  fsIsolation: "unveil",
  networkModes: ["host", "group", "none"],
  mountConfigs: "any",
  // Said to be true, a client starts no log collector and makes no FIFOs, though it names their paths.
  disableLogCollection: false,
  dynamicWorkloadUsers: true,
};
