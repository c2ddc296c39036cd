/**
 * Sets of paths that a job unveils by a name, so that it need not know the host's paths. Sets of the operator count
 * as the operator's own entries, because defining a set for jobs is the permission. The driver's own sets are only
 * a shorthand: their paths count as named by the job, so the same permissions and checks apply to them. Pure.
 */

import { DriverError } from "../../base/errors.ts";
import { suggestion } from "../../base/suggest.ts";
import { builtInSets } from "./builtInSets.ts";
import { parseUnveil, type UnveilEntry } from "./unveil.ts";

/** The operator's sets. */
export interface SetDefinitions {
  readonly unveilSets: readonly Readonly<Record<string, readonly string[]>>[];
}

/** The names of the sets that a job uses. */
export interface UsedSets {
  readonly unveilSets: readonly string[];
}

/**
 * The entries of the sets that a job uses; those of the operator come first.
 * @throws DriverError `CONFIG_INVALID` for a set that neither the operator nor the driver defines
 */
export function entriesOfSets({ unveilSets }: UsedSets, plugin: SetDefinitions): UnveilEntry[] {
  if (unveilSets.length === 0) return [];
  const defined = new Map(plugin.unveilSets.flatMap((block) => Object.entries(block)));
  const entries = [...new Set(unveilSets)].flatMap((name) => {
    const own = defined.get(name);
    if (own !== undefined) return own.map((entry) => parseUnveil(entry, "plugin"));
    const { entries } = builtInSet(name, [...defined.keys()]);
    return entries.map((entry): UnveilEntry => ({ ...parseUnveil(entry, "task"), optional: true }));
  });
  return entries.sort((one, other) => Number(one.source === "task") - Number(other.source === "task"));
}

function builtInSet(name: string, defined: readonly string[]) {
  const set = Object.hasOwn(builtInSets, name) ? builtInSets[name] : undefined;
  if (set !== undefined) return set;
  const known = [...new Set([...defined, ...Object.keys(builtInSets)])].sort();
  throw new DriverError(
    "CONFIG_INVALID",
    `The task's config has option "unveil_sets" with ${JSON.stringify(name)}, which this client does not define. ${suggestion(name, known)}`,
    {
      option: "unveil_sets",
      hint: "Correct it, or define it with unveil_sets in the client's plugin block of this driver",
    },
  );
}
