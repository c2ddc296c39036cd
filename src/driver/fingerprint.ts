/** What the agent is told of this node. Pure. */
import type { PluginOptions } from "../config/pluginOptions.ts";
import type { HostFacts } from "../effects/hostFacts.ts";
import { fingerprintAttributes, judgeHost } from "../effects/hostHealth.ts";
import { version } from "../version.ts";
import type { Fingerprint } from "./driverPort.ts";

export function fingerprintOf(facts: HostFacts, options: PluginOptions): Fingerprint {
  const { health, description } = judgeHost(facts);
  return { attributes: fingerprintAttributes(facts, options, version), health, description };
}
