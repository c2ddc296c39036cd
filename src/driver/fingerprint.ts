/** What the agent is told of this node. Pure. */
import type { PluginOptions } from "../config/options/pluginOptions.ts";
import type { HostFacts } from "../effects/host/hostFacts.ts";
import { fingerprintAttributes, judgeHost } from "../effects/host/hostHealth.ts";
import type { DriverError } from "../errors.ts";
import { version } from "../version.ts";
import type { Fingerprint } from "./driverPort.ts";

/**
 * @param setAside paths of event logs that were damaged
 * @param trouble why the driver has nothing to work with
 */
export function fingerprintOf(
  facts: HostFacts,
  options: PluginOptions,
  quarantined: readonly string[],
  trouble?: DriverError,
): Fingerprint {
  const attributes = fingerprintAttributes(facts, options, version);
  const { health, description } = judgeHost(facts, quarantined);
  if (trouble === undefined || health === "undetected") return { attributes, health, description };
  const text = `${trouble.code}: ${trouble.message}`;
  return {
    attributes,
    health: "unhealthy",
    description: health === "unhealthy" ? `${text}; ${description}` : text,
    trouble,
  };
}
