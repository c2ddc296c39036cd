/** Selects the cases of a run by their names. Pure. */
import type { BootSuites } from "./bundleSuites.ts";

/**
 * The cases whose names contain a text, in upper or lower case. Boots without such a case are omitted.
 * Cases of a later boot examine what the first boot's cases of the same group have left, so
 * these are selected, too.
 */
export function selectCases(boots: readonly BootSuites[], text: string): BootSuites[] {
  const wanted = (name: string) => name.toLowerCase().includes(text.toLowerCase());
  const [first, ...later] = boots;
  const needed = new Set(later.flatMap(({ cases }) => cases.filter(wanted).map(groupOf)));
  return boots
    .map((boot) => ({
      ...boot,
      cases: boot.cases.filter((name) => wanted(name) || (boot === first && needed.has(groupOf(name)))),
    }))
    .filter(({ cases }) => cases.length > 0);
}

function groupOf(name: string): string | undefined {
  return name.split(" > ")[0];
}
