/** What Nomad may ask of tasks of this driver. */
import type { Capabilities } from "./driverPort.ts";

export const capabilities: Capabilities = {
  sendSignals: true,
  exec: true,
  fsIsolation: "unveil",
  networkModes: ["host", "group", "none"],
  mountConfigs: "any",
  disableLogCollection: true,
  dynamicWorkloadUsers: true,
};
