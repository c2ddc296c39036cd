/** Finds processes by their parents. Pure. */
import type { ProcessStat } from "../processes/processStat.ts";

/**
 * Those of `others` that descend from `ancestors`, parents before their children.
 * Looks at each once, so that a task cannot slow it down with a long line of descent.
 */
export function descendantsOf(
  ancestors: Iterable<number>,
  others: readonly ProcessStat[],
): readonly ProcessStat[] {
  const byParent = Map.groupBy(others, ({ parent }) => parent);
  const found: ProcessStat[] = [];
  const add = (parent: number) => {
    const children = byParent.get(parent) ?? [];
    // Removed, so that processes whose numbers were given anew meanwhile form no circle.
    byParent.delete(parent);
    for (const child of children) found.push(child);
  };
  for (const pid of ancestors) add(pid);
  // Grows while it is gone through.
  for (const { pid } of found) add(pid);
  return found;
}
