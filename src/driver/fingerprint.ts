/** The node's fingerprint, as the agent gets it. Pure. */
import type { PluginOptions } from "../config/options/pluginOptions.ts";
import type { HostFacts } from "../effects/host/hostFacts.ts";
import { fingerprintAttributes, judgeHost } from "../effects/host/hostHealth.ts";
import type { DriverError } from "../errors.ts";
import { version } from "../version.ts";
import type { Fingerprint } from "./driverPort.ts";

export interface DriverFindings {
  /** Paths of damaged event logs. */
  readonly quarantined: readonly string[];
  /** Why tasks cannot have a private root; undefined if they can. */
  readonly privateRootProblem: string | undefined;
  /** Why denials are not recorded; undefined if they are. */
  readonly denialProblem: string | undefined;
  /** Why the driver's services could not be opened. */
  readonly error?: DriverError | undefined;
}

export function fingerprintOf(
  facts: HostFacts,
  options: PluginOptions,
  { quarantined, privateRootProblem, denialProblem, error }: DriverFindings,
): Fingerprint {
  const attributes = fingerprintAttributes(facts, options, version, { privateRootProblem, denialProblem });
  const { health, description } = judgeHost(facts, {
    quarantined,
    privateRootProblem,
    denialProblem: options.denials === "on" ? denialProblem : undefined,
  });
  if (error === undefined || health === "undetected") return { attributes, health, description };
  const text = `${error.code}: ${error.message}`;
  return {
    attributes,
    health: "unhealthy",
    description: health === "unhealthy" ? `${text}; ${description}` : text,
    error,
  };
}
