/** Finds processes by their parents. Pure. */
import type { ProcessStat } from "../processes/processStat.ts";

/**
 * The processes among `others` that descend from `ancestors`, parents before their children. Visits each
 * once, so that a long chain of processes does not slow it down.
 */
export function descendantsOf(
  ancestors: Iterable<number>,
  others: readonly ProcessStat[],
): readonly ProcessStat[] {
  const byParent = Map.groupBy(others, ({ parent }) => parent);
  const found: ProcessStat[] = [];
  const add = (parent: number) => {
    const children = byParent.get(parent) ?? [];
    // Removed, because reused pids could form a cycle.
    byParent.delete(parent);
    for (const child of children) found.push(child);
  };
  for (const pid of ancestors) add(pid);
  // `found` grows during this loop.
  for (const { pid } of found) add(pid);
  return found;
}
