/** Reads the node's processors from SetConfig. Pure. */
import type { NodeTopology } from "../../config/task/nodeTopology.ts";
import type { NomadConfig } from "../generated/nomad/base.ts";

export function topologyOf({ driver }: NomadConfig): NodeTopology {
  const topology = driver?.Topology;
  const cores = topology?.cores ?? [];
  return {
    cores: cores.map((core) => ({
      coreId: core.coreId,
      baseMhz: core.baseSpeed,
      maxMhz: core.maxSpeed,
      guessMhz: core.guessSpeed,
      disabled: core.disable,
    })),
    overrideTotalMhz: topology?.overrideTotalCompute ?? 0,
  };
}
