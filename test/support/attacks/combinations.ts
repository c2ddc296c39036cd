/**
 * Every option alone and every two options together, with what attacks may do under them.
 */
import { type Boundary, exceptions } from "../../../src/effects/exceptions.ts";
import { numberOf } from "../../../src/effects/kernel/capabilities.ts";
import { readKernelFile } from "../../../src/effects/kernel/kernelFiles.ts";
import type { PluginConnection } from "../../../src/grpc/pluginClient.ts";
import { type AllocationOptions, makeAllocation } from "../agent/allocation.ts";
import { type AttackName, attackNames, attacks } from "./catalogue.ts";
import { factors, type Level, permissive } from "./options.ts";
import { pairwise } from "./pairs.ts";
import { makeTarget } from "./target.ts";
import { tryAttacks } from "./tryAttacks.ts";

export interface Combination {
  /** The levels that differ from the default. */
  readonly name: string;
  readonly levels: readonly Level[];
}

/**
 * The defaults, each other level alone, and every pair of levels.
 * @param host by default, levels for which this process lacks a capability are left out
 */
export function combinations(host?: "every capability"): Combination[] {
  const fitting = Object.values(factors).map((levels) =>
    Object.entries(levels).filter(
      ([, { needs }]) => needs === undefined || host !== undefined || hasCapability(needs),
    ),
  );
  const sizes = fitting.map((levels) => levels.length);
  const alone = sizes.flatMap((size, factor) =>
    Array.from({ length: size }, (_, level) => sizes.map((_, index) => (index === factor ? level : 0))),
  );
  const found = new Map<string, Combination>();
  for (const row of [...alone, ...pairwise(sizes)]) {
    const chosen = row.flatMap((level, factor) => {
      const entry = fitting[factor]?.[level];
      return level === 0 || entry === undefined ? [] : [entry];
    });
    const name = chosen.map(([each]) => each).join(" + ") || "the defaults";
    found.set(name, { name, levels: chosen.map(([, level]) => level) });
  }
  return [...found.values()];
}

/** What the exceptions of a combination open. */
export function openedBy({ levels }: Combination): Set<Boundary> {
  return new Set(
    levels.flatMap(({ exception }) => (exception === undefined ? [] : exceptions[exception].opens)),
  );
}

/** The plugin's options of a combination. */
export function pluginOptions({ levels }: Combination): Readonly<Record<string, unknown>> {
  return Object.assign({}, permissive, ...levels.map(({ plugin }) => plugin ?? {}));
}

/**
 * Tries all attacks under a combination.
 * @param agent a plugin with the combination's options
 * @returns the attacks that worked
 */
export async function workingAttacks(
  agent: PluginConnection,
  { levels }: Combination,
  place: Pick<AllocationOptions, "slice"> = {},
): Promise<AttackName[]> {
  const user = levels.find((level) => level.user !== undefined)?.user;
  const allocation = makeAllocation({ ...place, ...(user !== undefined && { user }) });
  const target = await makeTarget(allocation.user);
  const job = Object.assign({}, ...levels.map((level) => level.job?.(target) ?? {}));
  const outcomes = await tryAttacks(agent, allocation, job, attackNames, target);
  return attackNames.filter((name) => outcomes.get(name) === "worked");
}

/** Attacks that worked although no exception of the combination opens their boundary. */
export function unexplained(combination: Combination, worked: readonly AttackName[]): AttackName[] {
  const opened = openedBy(combination);
  return worked.filter((name) => !opened.has(attacks[name].boundary));
}

function hasCapability(name: string): boolean {
  const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(readKernelFile("/proc/self/status") ?? "")?.[1] ?? "0";
  return (BigInt(`0x${mask}`) & (1n << BigInt(numberOf(name)))) !== 0n;
}
