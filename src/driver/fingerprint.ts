/** The node's fingerprint, as the agent gets it. Pure. */
import type { PluginOptions } from "../config/options/pluginOptions.ts";
import type { HostFacts } from "../effects/host/hostFacts.ts";
import { fingerprintAttributes, judgeHost } from "../effects/host/hostHealth.ts";
import type { DriverError } from "../errors.ts";
import { version } from "../version.ts";
import type { Fingerprint } from "./driverPort.ts";

/**
 * @param quarantined paths of damaged event logs
 * @param error why the driver's services could not be opened
 */
export function fingerprintOf(
  facts: HostFacts,
  options: PluginOptions,
  quarantined: readonly string[],
  error?: DriverError,
): Fingerprint {
  const attributes = fingerprintAttributes(facts, options, version);
  const { health, description } = judgeHost(facts, quarantined);
  if (error === undefined || health === "undetected") return { attributes, health, description };
  const text = `${error.code}: ${error.message}`;
  return {
    attributes,
    health: "unhealthy",
    description: health === "unhealthy" ? `${text}; ${description}` : text,
    error,
  };
}
