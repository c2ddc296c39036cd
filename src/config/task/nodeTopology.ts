/**
 * The node's processors as the agent counts them: what turns a job's MHz into a
 * share of a core. Pure.
 */

export interface NodeTopology {
  /** Every core of the node, those included that Nomad may not use. */
  readonly cores: readonly NodeCore[];
  /** MHz of the whole node by the agent's configuration (`cpu_total_compute`); 0 where it has none. */
  readonly overrideTotalMhz: number;
}

/** A logical core; a speed that is not known is 0. */
export interface NodeCore {
  readonly coreId: number;
  readonly baseMhz: number;
  readonly maxMhz: number;
  readonly guessMhz: number;
  /** Nomad may not use it. */
  readonly disabled: boolean;
}

/**
 * MHz of one core: the agent's total, spread evenly. Disabled cores count too,
 * as they do for the scheduler: a job's MHz are a share of this total.
 * @returns undefined where no speed is known
 */
export function nodeMhz({ cores, overrideTotalMhz }: NodeTopology): number | undefined {
  const total = overrideTotalMhz > 0 ? overrideTotalMhz : cores.reduce((sum, core) => sum + coreMhz(core), 0);
  return cores.length > 0 && total > 0 ? total / cores.length : undefined;
}

/** The speed that Nomad's scheduler counts with: base before maximum before guess. */
function coreMhz({ baseMhz, maxMhz, guessMhz }: NodeCore): number {
  return baseMhz || maxMhz || guessMhz;
}
