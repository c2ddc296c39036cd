/** What `doctor` and `install` find out about the host's agent. */
import { DriverError, withCall } from "../../../base/errors.ts";
import type { HostProblem } from "../../../effects/host/hostHealth.ts";
import { versionOfAgent } from "../../../fleet/agentOfHost.ts";
import { agentProblem } from "../../../fleet/agentVersions.ts";

export interface AgentFinding {
  readonly found: string;
  /** Undefined if the agent could not be asked. */
  readonly version: string | undefined;
  readonly problem: HostProblem | undefined;
}

/** Asks the agent at `NOMAD_ADDR`. An agent that does not answer is a problem, too, and no error. */
export async function findAgent(env: NodeJS.ProcessEnv): Promise<AgentFinding> {
  try {
    const version = await versionOfAgent(env);
    return { found: `Nomad ${version}`, version, problem: agentProblem(version) };
  } catch (thrown) {
    const error = DriverError.from(thrown, "NOMAD_FAILED", "the agent cannot be asked");
    return {
      found: "not known",
      version: undefined,
      problem: {
        what: withCall(error.summary, error.failed),
        consequence: "the agent's version is not known",
        remedy: error.hint ?? "Set NOMAD_ADDR to the address of this host's agent",
      },
    };
  }
}
