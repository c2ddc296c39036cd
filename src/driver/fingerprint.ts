/** What the agent is told of this node. Pure. */
import type { PluginOptions } from "../config/pluginOptions.ts";
import type { HostFacts } from "../effects/hostFacts.ts";
import { fingerprintAttributes, judgeHost } from "../effects/hostHealth.ts";
import { version } from "../version.ts";
import type { Fingerprint } from "./driverPort.ts";

/** @param setAside paths of event logs that were damaged */
export function fingerprintOf(
  facts: HostFacts,
  options: PluginOptions,
  setAside: readonly string[],
): Fingerprint {
  const { health, description } = judgeHost(facts, setAside);
  return { attributes: fingerprintAttributes(facts, options, version), health, description };
}
